"""Expressions that turn what is known of one or two objects into a probability, for predicates written in YAML.

The Python grammar is used, and nothing of Python behind it: an expression is parsed with ``ast``, every node
is checked against a short list when the file is read, and then interpreted here.

    numbers, fields of the object (FIELDS), "label" as an argument
    + - * / unary -, < <= > >= == != (1 or 0)
    and  product        or  1 - product of complements        not  1 - p      (as if independent)
    the functions of FUNCTIONS
    probability("wood")  happened("tap", "hit")  taught("lid_is_tight")

Of two objects each is named: ``x.roughness``, ``probability("wood", x)``, ``same_material(x, y)``.

A value that is not known is NaN and makes everything that uses it NaN: the predicate is then UNKNOWN.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import math
from collections.abc import Callable, Mapping, Sequence

from foley_common.enumerations import KNOWN_ACTIONS
from foley_perception.near_names import among

_Compiled = Callable[["Objects"], float]


class ExpressionError(ValueError):
    """An expression that is refused; the message shows the expression, what is wrong in it and the cure."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known about one object: the fields of its MaterialEstimate, and what happened to it."""

    numbers: Mapping[str, float]  # see FIELDS
    probabilities: Mapping[str, float]  # label -> probability; empty if nothing is known
    actions: Mapping[str, float] = dataclasses.field(
        default_factory=dict
    )  # action -> probability that it happened
    taught: Mapping[str, float] = dataclasses.field(
        default_factory=dict
    )  # predicate that was learned from labelled contacts -> probability; without what is not known
    missed: bool = False  # contacts since the first one that was heard may have been missed


Objects = Sequence[Facts]  # one for each parameter


class Source(enum.Enum):
    """What a value comes from: says which evidence a predicate rests on."""

    PROBABILITIES = "probabilities"  # of the labels
    NUMBERS = "numbers"  # stiffness, roughness, hollowness
    COUNTS = "counts"  # of contacts
    ACTIONS = "actions"  # that were heard
    SURPRISE = "surprise"  # predicted against heard
    TAUGHT = "taught"  # heads learned from labelled contacts


@dataclasses.dataclass(frozen=True)
class Use:
    """That an expression uses ``source`` of the object of parameter ``parameter``."""

    parameter: int
    source: Source
    name: str = ""  # of the action, or of the predicate that was taught


# Fields that an expression may name, with what they come from. A name ends with its unit, if it has one.
FIELDS: dict[str, Source] = {
    "log10_youngs_modulus_pa_mean": Source.NUMBERS,  # log10 of pascals
    "log10_youngs_modulus_pa_std": Source.NUMBERS,
    "roughness": Source.NUMBERS,
    "hollowness": Source.NUMBERS,
    "entropy_nat": Source.PROBABILITIES,
    "abstain": Source.PROBABILITIES,
    "contacts_heard": Source.COUNTS,
    "contacts_predicted": Source.COUNTS,
    "surprise_percentile": Source.SURPRISE,  # [0, 1], of the newest contact that was both predicted and heard
}
_FORMERLY = {
    "log10_youngs_modulus_mean": "log10_youngs_modulus_pa_mean",
    "log10_youngs_modulus_std": "log10_youngs_modulus_pa_std",
    "entropy": "entropy_nat",
}


def normal_cdf(z: float) -> float:
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


def above(value: float, threshold: float, std: float) -> float:
    """Probability that a Gaussian with this mean and standard deviation exceeds the threshold."""
    if math.isnan(value) or math.isnan(threshold) or math.isnan(std) or std < 0:
        return math.nan
    if std == 0:
        return float(value > threshold)
    return normal_cdf((value - threshold) / std)


def below(value: float, threshold: float, std: float) -> float:
    return 1.0 - above(value, threshold, std)


def _extreme(choose: Callable[[Sequence[float]], float]) -> Callable[..., float]:
    def function(*values: float) -> float:
        return math.nan if any(math.isnan(v) for v in values) else choose(values)

    return function


def _clip(value: float) -> float:
    return value if math.isnan(value) else min(max(value, 0.0), 1.0)


# name -> (function, least number of arguments, most)
FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    "above": (above, 3, 3),  # above(mean, threshold, std)
    "below": (below, 3, 3),
    "min": (_extreme(min), 1, 8),
    "max": (_extreme(max), 1, 8),
    "clip": (_clip, 1, 1),
    "hypot": (_extreme(lambda values: math.hypot(*values)), 2, 2),  # the standard deviation of a difference
}
_OF_OBJECTS = ("probability", "happened", "taught", "same_material")
_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b if b != 0 else math.nan,
}
_COMPARE: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}
_MAX_LENGTH = 1000


class Expression:
    """A checked expression over the :class:`Facts` of one object for each parameter.

    Args:
        source: the text.
        labels: labels that ``probability("...")`` may name.
        parameters: names of the objects; with one alone its fields may be named without it.
        taught: predicates that ``taught("...")`` may name.

    Raises:
        ExpressionError: the text is not an expression, or uses something that is not listed above.
    """

    def __init__(
        self,
        source: str,
        labels: Sequence[str],
        *,
        parameters: Sequence[str] = ("x",),
        taught: Sequence[str] = (),
    ) -> None:
        self.source = source
        self.parameters = tuple(parameters)
        self._labels, self._taught = tuple(labels), tuple(taught)
        self._uses: set[Use] = set()
        if len(source) > _MAX_LENGTH:
            raise ExpressionError(f"expression has {len(source)} characters, at most {_MAX_LENGTH} are read")
        try:
            tree = ast.parse(source.strip(), mode="eval")
            self._evaluate = self._compile(tree.body)
        except (SyntaxError, RecursionError, MemoryError) as error:
            what = error.msg if isinstance(error, SyntaxError) else "nested too deeply"
            raise ExpressionError(f"`{source}`: {what}") from error
        self.uses = frozenset(self._uses)

    def __call__(self, *objects: Facts) -> float:
        """Value of the expression, NaN if it needs something that is not known."""
        return self._evaluate(objects)

    def _refuse(self, reason: str) -> ExpressionError:
        return ExpressionError(f"`{self.source}`: {reason}")

    def _compile(self, node: ast.expr) -> _Compiled:
        match node:
            case ast.Constant(value=bool() | int() | float()):
                constant = float(node.value)  # type: ignore[arg-type]
                if not math.isfinite(constant):
                    raise self._refuse(f"{constant} is not a finite number")
                return lambda objects: constant
            case ast.Name(id=name):
                return self._field(name)
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in self.parameters:
                return self._field(name, owner)
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                raise self._refuse(
                    f"`{owner}` of `{owner}.{name}` is no parameter: {among(owner, self.parameters)}"
                )
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._compile(operand)
                return lambda objects: -inner(objects)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._compile(operand)
                return lambda objects: 1.0 - inner(objects)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                operate, a, b = _BINARY[type(op)], self._compile(left), self._compile(right)
                return lambda objects: operate(a(objects), b(objects))
            case ast.BoolOp(op=op, values=values):
                return self._logic(isinstance(op, ast.And), [self._compile(value) for value in values])
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                return self._comparison(left, ops, comparators)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, args)
        raise self._refuse(f"{type(node).__name__} is not allowed in an expression")

    def _field(self, name: str, owner: str = "") -> _Compiled:
        if name in self.parameters and not owner:
            raise self._refuse(f"`{name}` is an object: name a field of it, as in {name}.roughness")
        if name in _FORMERLY:
            raise self._refuse(f"`{name}` is called `{_FORMERLY[name]}` now, with its unit: write that")
        if name not in FIELDS:
            raise self._refuse(f"`{name}` is not known; {among(name, FIELDS)}")
        index = self._index(name, owner)
        self._uses.add(Use(index, FIELDS[name]))
        return lambda objects: objects[index].numbers.get(name, math.nan)

    def _index(self, what: str, owner: str) -> int:
        """Of the object that is meant; without a name the only one."""
        if owner:
            return self.parameters.index(owner)
        if len(self.parameters) > 1:
            which = " or ".join(f"`{name}`" for name in self.parameters)
            raise self._refuse(f'`{what}` of which object? Name {which}: x.roughness, probability("wood", x)')
        return 0

    def _logic(self, conjunction: bool, parts: list[_Compiled]) -> _Compiled:
        if conjunction:
            return lambda objects: math.prod(part(objects) for part in parts)
        return lambda objects: 1.0 - math.prod(1.0 - part(objects) for part in parts)

    def _comparison(self, left: ast.expr, ops: list[ast.cmpop], rights: list[ast.expr]) -> _Compiled:
        for op in ops:
            if type(op) not in _COMPARE:
                raise self._refuse(f"{type(op).__name__} is not allowed in an expression")
        tests = [_COMPARE[type(op)] for op in ops]
        operands = [self._compile(node) for node in (left, *rights)]

        def evaluate(objects: Objects) -> float:
            values = [operand(objects) for operand in operands]
            if any(math.isnan(value) for value in values):
                return math.nan
            return float(all(test(a, b) for test, a, b in zip(tests, values, values[1:], strict=False)))

        return evaluate

    def _call(self, name: str, args: list[ast.expr]) -> _Compiled:
        if name in _OF_OBJECTS:
            return self._of_objects(name, args)
        if name not in FUNCTIONS:
            raise self._refuse(f"function `{name}` is not known; {among(name, (*_OF_OBJECTS, *FUNCTIONS))}")
        function, least, most = FUNCTIONS[name]
        if not least <= len(args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise self._refuse(f"`{name}` takes {wanted} arguments, {len(args)} given")
        parts = [self._compile(arg) for arg in args]
        return lambda objects: function(*(part(objects) for part in parts))

    # ---- functions of objects ------------------------------------------------------------------------------
    def _of_objects(self, name: str, args: list[ast.expr]) -> _Compiled:
        if name == "same_material":
            return self._same_material(args)
        owner = ""
        if args and isinstance(args[-1], ast.Name) and args[-1].id in self.parameters:
            owner = args[-1].id
            args = args[:-1]
        if name == "happened":
            actions = self._strings(name, args, KNOWN_ACTIONS, most=len(KNOWN_ACTIONS))
            index = self._index(name, owner)
            self._uses.update(Use(index, Source.ACTIONS, action) for action in actions)
            return _happened(index, actions)
        known = self._labels if name == "probability" else self._taught
        (key,) = self._strings(name, args, known, most=1)
        index = self._index(name, owner)
        if name == "probability":
            self._uses.add(Use(index, Source.PROBABILITIES))
            return lambda objects: objects[index].probabilities.get(key, math.nan)
        self._uses.add(Use(index, Source.TAUGHT, key))
        return lambda objects: objects[index].taught.get(key, math.nan)

    def _same_material(self, args: list[ast.expr]) -> _Compiled:
        names = [arg.id for arg in args if isinstance(arg, ast.Name) and arg.id in self.parameters]
        if len(names) != 2 or len(args) != 2:
            raise self._refuse("`same_material` takes two objects, as in same_material(x, y)")
        a, b = (self.parameters.index(name) for name in names)
        self._uses.update(Use(index, Source.PROBABILITIES) for index in (a, b))

        def evaluate(objects: Objects) -> float:
            one, other = objects[a].probabilities, objects[b].probabilities
            return (
                math.fsum(p * other.get(label, 0.0) for label, p in one.items())
                if one and other
                else math.nan
            )

        return evaluate

    def _strings(self, name: str, args: list[ast.expr], known: Sequence[str], *, most: int) -> list[str]:
        if not 1 <= len(args) <= most:
            raise self._refuse(f"`{name}` takes 1 to {most} quoted names, {len(args)} given")
        values = []
        for arg in args:
            if not (isinstance(arg, ast.Constant) and isinstance(arg.value, str)):
                example = f'{name}("{known[0] if known else ""}")'
                raise self._refuse(f"`{name}` takes quoted names, as in {example}, and objects after them")
            if arg.value not in known:
                raise self._refuse(f"`{arg.value}` is not known to `{name}`; {among(arg.value, known)}")
            values.append(arg.value)
        return values


def _happened(index: int, actions: Sequence[str]) -> _Compiled:
    def evaluate(objects: Objects) -> float:
        heard = objects[index].actions
        if not heard:
            return math.nan
        happened = 1.0 - math.prod(1.0 - heard.get(action, 0.0) for action in actions)
        # With ears that were deaf meanwhile this is the least that it may be: enough for yes, nothing for no.
        return math.nan if objects[index].missed and happened < 0.5 else happened

    return evaluate
