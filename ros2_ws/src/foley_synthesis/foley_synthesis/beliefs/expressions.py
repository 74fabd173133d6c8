"""Expressions that turn a belief into a probability, for predicates written in YAML.

The Python grammar is used, and nothing of Python behind it: an expression is parsed with ``ast``, every node
is checked against a short list when the file is read, and then interpreted here.

    numbers, names of the belief's fields, "label" as an argument
    + - * / unary -, < <= > >= == != (1 or 0)
    and  product        or  1 - product of complements        not  1 - p      (as if independent)
    the functions of FUNCTIONS

A value that is not known is NaN and makes everything that uses it NaN: the predicate is then UNKNOWN.
"""

from __future__ import annotations

import ast
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from foley_perception.contact_event import ACTIONS

Value = float
_Compiled = Callable[["Facts"], float]


class ExpressionError(ValueError):
    """An expression that is refused; the message shows the expression and what is wrong in it."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known about one object: the fields of its MaterialEstimate, and what happened to it."""

    numbers: Mapping[str, float]  # see NUMBERS
    probabilities: Mapping[str, float]  # label -> probability; empty if nothing is known
    actions: Mapping[str, float] = dataclasses.field(
        default_factory=dict
    )  # action -> probability that it happened


# Names an expression may use. All are fields of MaterialEstimate, but for the last one.
NUMBERS: tuple[str, ...] = (
    "log10_youngs_modulus_mean",
    "log10_youngs_modulus_std",
    "roughness",
    "hollowness",
    "entropy",
    "abstain",
    "contacts_heard",
    "contacts_predicted",
    "surprise_percentile",  # of the newest contact that was both predicted and heard
)
HAPPENED = ACTIONS[1:]  # what a contact can be known to have been


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
}
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
    """A checked expression over :class:`Facts`.

    Args:
        source: the text.
        labels: labels that ``probability("...")`` may name.

    Raises:
        ExpressionError: the text is not an expression, or uses something that is not listed above.
    """

    def __init__(self, source: str, labels: Sequence[str]) -> None:
        self.source = source
        self._labels = tuple(labels)
        if len(source) > _MAX_LENGTH:
            raise ExpressionError(f"expression has {len(source)} characters, at most {_MAX_LENGTH} are read")
        try:
            tree = ast.parse(source.strip(), mode="eval")
            self._evaluate = self._compile(tree.body)
        except (SyntaxError, RecursionError, MemoryError) as error:
            what = error.msg if isinstance(error, SyntaxError) else "nested too deeply"
            raise ExpressionError(f"`{source}`: {what}") from error

    def __call__(self, facts: Facts) -> float:
        """Value of the expression, NaN if it needs something that is not known."""
        return self._evaluate(facts)

    def _refuse(self, reason: str) -> ExpressionError:
        return ExpressionError(f"`{self.source}`: {reason}")

    def _compile(self, node: ast.expr) -> _Compiled:
        match node:
            case ast.Constant(value=bool() | int() | float()):
                constant = float(node.value)  # type: ignore[arg-type]
                if not math.isfinite(constant):
                    raise self._refuse(f"{constant} is not a finite number")
                return lambda facts: constant
            case ast.Name(id=name):
                if name not in NUMBERS:
                    raise self._refuse(f"`{name}` is not known; known are {', '.join(NUMBERS)}")
                return lambda facts: facts.numbers.get(name, math.nan)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._compile(operand)
                return lambda facts: -inner(facts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._compile(operand)
                return lambda facts: 1.0 - inner(facts)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                operate, a, b = _BINARY[type(op)], self._compile(left), self._compile(right)
                return lambda facts: operate(a(facts), b(facts))
            case ast.BoolOp(op=op, values=values):
                return self._logic(isinstance(op, ast.And), [self._compile(value) for value in values])
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                return self._comparison(left, ops, comparators)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, args)
        raise self._refuse(f"{type(node).__name__} is not allowed in an expression")

    def _logic(self, conjunction: bool, parts: list[_Compiled]) -> _Compiled:
        if conjunction:
            return lambda facts: math.prod(part(facts) for part in parts)
        return lambda facts: 1.0 - math.prod(1.0 - part(facts) for part in parts)

    def _comparison(self, left: ast.expr, ops: list[ast.cmpop], rights: list[ast.expr]) -> _Compiled:
        for op in ops:
            if type(op) not in _COMPARE:
                raise self._refuse(f"{type(op).__name__} is not allowed in an expression")
        tests = [_COMPARE[type(op)] for op in ops]
        operands = [self._compile(node) for node in (left, *rights)]

        def evaluate(facts: Facts) -> float:
            values = [operand(facts) for operand in operands]
            if any(math.isnan(value) for value in values):
                return math.nan
            return float(all(test(a, b) for test, a, b in zip(tests, values, values[1:], strict=False)))

        return evaluate

    def _call(self, name: str, args: list[ast.expr]) -> _Compiled:
        if name == "probability":
            (label,) = self._strings(name, args, self._labels, most=1)
            return lambda facts: facts.probabilities.get(label, math.nan)
        if name == "happened":
            return self._happened(self._strings(name, args, HAPPENED, most=len(HAPPENED)))
        if name not in FUNCTIONS:
            known = ", ".join(("probability", "happened", *FUNCTIONS))
            raise self._refuse(f"function `{name}` is not known; known are {known}")
        function, least, most = FUNCTIONS[name]
        if not least <= len(args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise self._refuse(f"`{name}` takes {wanted} arguments, {len(args)} given")
        parts = [self._compile(arg) for arg in args]
        return lambda facts: function(*(part(facts) for part in parts))

    def _strings(self, name: str, args: list[ast.expr], known: Sequence[str], *, most: int) -> list[str]:
        if not 1 <= len(args) <= most:
            raise self._refuse(f"`{name}` takes 1 to {most} quoted names, {len(args)} given")
        values = []
        for arg in args:
            if not (isinstance(arg, ast.Constant) and isinstance(arg.value, str)):
                raise self._refuse(
                    f'`{name}` takes quoted names, as in {name}("{known[0] if known else ""}")'
                )
            if arg.value not in known:
                raise self._refuse(f"`{arg.value}` is not known to `{name}`; known are {', '.join(known)}")
            values.append(arg.value)
        return values

    def _happened(self, actions: list[str]) -> _Compiled:
        def evaluate(facts: Facts) -> float:
            if not facts.actions:
                return math.nan
            return 1.0 - math.prod(1.0 - facts.actions.get(action, 0.0) for action in actions)

        return evaluate
