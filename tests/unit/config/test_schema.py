"""Values become records, or a line that says what is wrong with them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.config.schema import read_record
from abm.records import choice, count, flag, listing, named_parts, part, quantity, record, text


@record
class Wheel:
    """A part."""

    radius_m: float = quantity("m", "Radius.", above=0.0, high=2.0)


@record
class Cart:
    """One field of every kind."""

    mass_kg: float = quantity("kg", "Mass.", low=0.0)
    brake_n: float | None = quantity("N", "Brake, if it has one.", low=0.0)
    seats: int = count("Seats.", low=1, high=10)
    name: str = text("Name.")
    colour: str = choice("Colour.", ("red", "green"))
    sold: bool = flag("Sold.")
    front: Wheel = part("Front wheel.")
    spare: Wheel | None = part("Spare wheel.")
    wheels: dict[str, Wheel] = named_parts("Wheels by name.")
    stops: list[float] = listing("Stops.")
    phases: list[list[float]] = listing("Phases.")


def good() -> dict[str, Any]:
    return {
        "mass_kg": 10,
        "brake_n": None,
        "seats": 2,
        "name": "cart",
        "colour": "red",
        "sold": False,
        "front": {"radius_m": 0.5, "sources": {"radius_m": {"kind": "assumed"}}},
        "spare": None,
        "wheels": {"left": {"radius_m": 0.4}, "sources": {}},
        "stops": [0, 1.5],
        "phases": [[1, 0.1], [2, 0.2]],
    }


def read(**changes: Any) -> tuple[Cart | None, list[str]]:
    problems: list[str] = []
    return read_record(Cart, {**good(), **changes}, "cart", problems), problems


def test_good_values_are_read_and_hashable_where_static() -> None:
    cart, problems = read()
    assert problems == []
    assert cart == Cart(
        mass_kg=10.0,
        brake_n=None,
        seats=2,
        name="cart",
        colour="red",
        sold=False,
        front=Wheel(radius_m=0.5),
        spare=None,
        wheels={"left": Wheel(radius_m=0.4)},
        stops=(0.0, 1.5),  # type: ignore[arg-type]
        phases=((1, 0.1), (2, 0.2)),  # type: ignore[arg-type]
    )
    assert isinstance(cart.mass_kg, float)
    assert hash(cart.phases)


REFUSED = [
    ({"mass_kg": -1}, "cart.mass_kg = -1: a finite number of at least 0 is needed. Mass. Unit: kg."),
    ({"mass_kg": math.nan}, "cart.mass_kg = nan: a finite number"),
    ({"mass_kg": math.inf}, "cart.mass_kg = inf: a finite number"),
    ({"mass_kg": "10kg"}, "cart.mass_kg = 10kg: the unit is fixed by the key (kg); write the bare number"),
    ({"mass_kg": "5 %"}, "the unit is fixed by the key (kg)"),
    ({"mass_kg": "heavy"}, "cart.mass_kg = heavy: a number of at least 0 is needed."),
    ({"mass_kg": True}, "cart.mass_kg = true: a number"),
    ({"mass_kg": None}, "cart.mass_kg = null: a value is needed."),
    ({"mass_kg": "???"}, "cart.mass_kg: is missing. Mass."),
    ({"seats": 2.5}, "cart.seats = 2.5: a whole number of at least 1 and of at most 10 is needed."),
    ({"seats": 0}, "cart.seats = 0: a whole number of at least 1"),
    ({"seats": 1e6}, "of at most 10"),
    ({"seats": "2"}, "cart.seats = 2: a whole number"),
    ({"name": 1.5}, "cart.name = 1.5: a text is needed."),
    ({"colour": "gren"}, "cart.colour = gren: is not a choice. Did you mean 'green'? Allowed: red, green."),
    ({"sold": 1}, "cart.sold = 1: true or false is needed."),
    ({"front": 3}, "cart.front = 3: a mapping with the keys radius_m is needed."),
    ({"front": {"radius_m": 1, "radius": 1}}, "cart.front.radius: there is no such key. Did you mean 'radius_m'?"),
    ({"front": {"radius_m": 0}}, "cart.front.radius_m = 0: a finite number above 0 and of at most 2 is needed."),
    ({"wheels": {"a b": {"radius_m": 1}}}, "cart.wheels: the name 'a b' is not allowed."),
    ({"wheels": {"left": {"radius_m": -1}}}, "cart.wheels.left.radius_m = -1"),
    ({"wheels": [1]}, "cart.wheels = [1]: a mapping from names"),
    ({"stops": 3}, "cart.stops = 3: a list is needed, e.g. cart.stops=[3]."),
    ({"stops": [0, math.nan]}, "cart.stops[1] = nan"),
    ({"phases": [[1, "x"]]}, "cart.phases[0][1] = x"),
    ({"typo": 1}, "cart.typo: there is no such key."),
]


@pytest.mark.parametrize(("changes", "expected"), REFUSED, ids=[str(case[0]) for case in REFUSED])
def test_a_refusal_names_key_value_and_what_is_allowed(changes: dict[str, Any], expected: str) -> None:
    cart, problems = read(**changes)
    assert len(problems) == 1
    assert expected in problems[0]
    assert cart is None or "there is no such key" in expected


def test_all_problems_are_met_at_once() -> None:
    _, problems = read(mass_kg=-1, seats=0, colour="blue")
    assert [line.split(" = ")[0] for line in problems] == ["cart.mass_kg", "cart.seats", "cart.colour"]


def test_a_missing_key_is_named_with_its_meaning() -> None:
    values = good()
    del values["seats"]
    problems: list[str] = []
    assert read_record(Cart, values, "", problems) is None
    assert problems == ["seats: is missing. Seats."]


@given(st.integers(1, 10))
def test_an_integral_float_is_a_count(seats: int) -> None:
    cart, problems = read(seats=float(seats))
    assert problems == []
    assert cart is not None
    assert cart.seats == seats
    assert isinstance(cart.seats, int)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_number_is_read_exactly_if_it_is_within_its_bounds(mass: float) -> None:
    cart, problems = read(mass_kg=mass)
    if math.isfinite(mass) and mass >= 0:
        assert cart is not None
        assert cart.mass_kg == mass
    else:
        assert cart is None
        assert len(problems) == 1
