// Sound is the clock: a picture is drawn for the moment that the sound card is at, so both stay together.
'use strict';

const $ = id => document.getElementById(id);
const sides = ['left', 'right'];
let audio = null;
let trial = null;
let clips = {};
let playing = null;

async function call(path, body) {
  const options = body === undefined ? {} : {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) {
    const error = new Error(answer.error || `the server said ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return answer;
}

function show(id) {
  for (const name of ['welcome', 'trial', 'thanks']) $(name).hidden = name !== id;
  $('error').hidden = true;
}

function complain(error) {
  $('error').textContent = error.message;
  $('error').hidden = false;
}

async function load(side) {
  const base = `/media/${trial.trial}/${side}`;
  const [picture, sound] = await Promise.all([
    fetch(`${base}/pictures`).then(r => r.blob()).then(createImageBitmap),
    fetch(`${base}/sound`).then(r => r.arrayBuffer()).then(data => audio.decodeAudioData(data)),
  ]);
  const rows = Math.ceil(trial.count / trial.columns);
  return {
    picture, sound, played: false,
    width: picture.width / trial.columns, height: picture.height / rows,
  };
}

function draw(side, index) {
  const clip = clips[side];
  const view = $(`${side}-view`);
  const x = (index % trial.columns) * clip.width;
  const y = Math.floor(index / trial.columns) * clip.height;
  view.height = view.width * clip.height / clip.width;
  view.getContext('2d').drawImage(clip.picture, x, y, clip.width, clip.height, 0, 0, view.width, view.height);
}

async function next() {
  trial = await call('/api/next');
  document.title = trial.title;
  if (trial.done) {
    show('thanks');
    return;
  }
  audio = audio || new AudioContext();
  show('trial');
  $('own-code').textContent = trial.code;
  $('progress').max = trial.total;
  $('progress').value = trial.position;
  for (const side of sides) {
    $(`${side}-choose`).disabled = true;
    $(`${side}-play`).disabled = true;
  }
  clips = {};
  for (const side of sides) {
    clips[side] = await load(side);
    draw(side, 0);
  }
  for (const side of sides) $(`${side}-play`).disabled = false;
  document.body.dataset.trial = trial.trial;
}

async function play(side) {
  if (playing) return;
  playing = side;
  for (const name of sides) $(`${name}-play`).disabled = true;
  await audio.resume();
  const clip = clips[side];
  const source = new AudioBufferSourceNode(audio, {buffer: clip.sound});
  source.connect(audio.destination);
  const begin = audio.currentTime + 0.1;
  const lasts = trial.count / trial.rate_hz;
  source.start(begin);
  const step = () => {
    const heard = audio.currentTime - (audio.outputLatency || 0) - begin;
    draw(side, Math.min(trial.count - 1, Math.max(0, Math.floor(heard * trial.rate_hz))));
    if (heard < lasts) {
      requestAnimationFrame(step);
      return;
    }
    playing = null;
    clip.played = true;
    for (const name of sides) {
      $(`${name}-play`).disabled = false;
      $(`${name}-choose`).disabled = !sides.every(s => clips[s].played);
    }
  };
  requestAnimationFrame(step);
}

async function choose(side) {
  for (const name of sides) $(`${name}-choose`).disabled = true;
  try {
    await call('/api/answer', {trial: trial.trial, choice: side});
  } catch (error) {
    if (error.status !== 409) {  // answered in another window: go on
      complain(error);
      for (const name of sides) $(`${name}-choose`).disabled = false;
      return;
    }
  }
  await next();
}

async function enter(body) {
  try {
    await call('/api/consent', body);
    await next();
  } catch (error) {
    complain(error);
  }
}

$('agree').addEventListener('change', () => { $('begin').disabled = !$('agree').checked; });
$('begin').addEventListener('click', () => enter({agree: true}));
$('return').addEventListener('click', () => enter({code: $('code').value}));
for (const side of sides) {
  $(`${side}-play`).addEventListener('click', () => play(side).catch(complain));
  $(`${side}-choose`).addEventListener('click', () => choose(side).catch(complain));
}
next().catch(error => {
  show('welcome');
  if (error.status !== 401) complain(error);
});
