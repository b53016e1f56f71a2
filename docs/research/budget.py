"""How many proofs the mask of a column of weights lasts for: docs/adr/0015-private-weights.md.

    python docs/research/budget.py

A column of 2^n rows is committed with `room` random coefficients above its rows. Each proof opens it at its
queries and at one point out of domain, the key at another. As long as the equations of all these openings on
the random coefficients are independent, opened values are uniform whatever the weights are; once there are
more equations than coefficients, some combination of opened values is one of the weights alone.

Needs nothing but Python.
"""

import random
import sys

P = 2**31 - 1


def add(a, b):
    """The sum of two points of the circle over M31."""
    return (a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P


def times(point, count):
    """A point added to itself."""
    total = (1, 0)
    while count:
        if count & 1:
            total = add(total, point)
        point, count = add(point, point), count >> 1
    return total


# Of order 2^31.
GENERATOR = (2, 1268011823)


def domain(log_size):
    """The points of a canonic domain: the odd multiples of a point of twice its order."""
    first = times(GENERATOR, 1 << (30 - log_size))
    step, points = add(first, first), []
    for _ in range(1 << log_size):
        points.append(first)
        first = add(first, step)
    return points


class Extension:
    """QM31: u^2 = 2 + i over CM31, i^2 = -1."""

    def __init__(self, a, b=0, c=0, d=0):
        self.values = (a % P, b % P, c % P, d % P)

    def __add__(self, other):
        return Extension(*(x + y for x, y in zip(self.values, other.values)))

    def __sub__(self, other):
        return Extension(*(x - y for x, y in zip(self.values, other.values)))

    def __mul__(self, other):
        a, b, c, d = self.values
        e, f, g, h = other.values
        low, high = (a * e - b * f, a * f + b * e), (c * g - d * h, c * h + d * g)
        # (2 + i) times the product of the upper halves.
        low = low[0] + 2 * high[0] - high[1], low[1] + high[0] + 2 * high[1]
        return Extension(*low, a * g - b * h + c * e - d * f, a * h + b * g + c * f + d * e)

    def inverse(self):
        """To the power of the field's size less 2."""
        power, result, exponent = self, Extension(1), P**4 - 2
        while exponent:
            if exponent & 1:
                result = result * power
            power, exponent = power * power, exponent >> 1
        return result


def out_of_domain(rng):
    """A random point of the circle over QM31."""
    t = Extension(*(rng.randrange(P) for _ in range(4)))
    square, one = t * t, Extension(1)
    inverse = (one + square).inverse()
    return (one - square) * inverse, (t + t) * inverse


def masks(x, y, log_rows, room, one):
    """At a point, what a mask is a sum of: v times the first polynomials of stwo's basis."""
    doubled, factors = x, [y, x]
    for _ in range(log_rows - 1):
        doubled = doubled * doubled + doubled * doubled - one
        factors.append(doubled)
    values, vanishing = [factors[log_rows]], factors[log_rows]
    for factor in factors[:log_rows]:
        values += [value * factor for value in values]
    assert vanishing is values[0]
    return values[:room]


class Base(int):
    """M31."""

    def __add__(self, other):
        return Base(int.__add__(self, other) % P)

    def __sub__(self, other):
        return Base(int.__sub__(self, other) % P)

    def __mul__(self, other):
        return Base(int.__mul__(self, other) % P)


def rank(rows):
    """The number of independent equations."""
    rows, found = [list(map(int, row)) for row in rows], 0
    for column in range(len(rows[0])):
        pivot = next((at for at in range(found, len(rows)) if rows[at][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        inverse = pow(rows[found][column], -1, P)
        rows[found] = [value * inverse % P for value in rows[found]]
        left = rows[found]
        for at in range(found + 1, len(rows)):
            if factor := rows[at][column]:
                rows[at] = [(value - factor * other) % P for value, other in zip(rows[at], left)]
        found += 1
    return found


def room(log_rows, queries):
    """Random coefficients of a column of weights: the rows less what constraints of other columns need."""
    return (1 << log_rows) - (2 * queries + 16)


def uses(log_rows, queries):
    """The proofs that they last for, as they are counted: 4 numbers more for each than it opens, and 8 for the key."""
    return max(0, (room(log_rows, queries) - 8) // (queries + 8))


def equations(log_rows, log_blowup, queries, proofs, rng):
    """What the key and so many proofs open, as equations on the mask."""
    points = domain(log_rows + 1 + log_blowup)
    places = {at for _ in range(proofs) for at in rng.sample(range(len(points)), queries)}
    count = room(log_rows, queries)
    rows = [masks(Base(points[at][0]), Base(points[at][1]), log_rows, count, Base(1)) for at in sorted(places)]
    for _ in range(proofs + 1):
        values = masks(*out_of_domain(rng), log_rows, count, Extension(1))
        rows += [[value.values[coordinate] for value in values] for coordinate in range(4)]
    return rows


def main():
    rng = random.Random(1)
    failed = False
    for log_rows, log_blowup, queries in [(7, 3, 5), (7, 4, 22), (8, 4, 22), (8, 3, 31)]:
        most, count = uses(log_rows, queries), room(log_rows, queries)
        within = equations(log_rows, log_blowup, queries, most, rng)
        found = rank(within)
        failed |= found < len(within)
        # Positions may fall together, so it takes a few proofs more than the count says.
        proofs, beyond = most, within
        while len(beyond) <= count:
            proofs += 1
            beyond = equations(log_rows, log_blowup, queries, proofs, rng)
        print(
            f"2^{log_rows} rows, {queries} queries: {count} random coefficients, {most} proofs open {len(within)} "
            f"numbers, {found} of them independent; {proofs} proofs open {len(beyond)}, {rank(beyond)} independent"
        )
        failed |= rank(beyond) == len(beyond)
    print("rows of a column:", *(f"2^{n}" for n in (9, 11, 13, 16)))
    for queries in (31, 46, 93):
        print(f"proofs at {queries} queries:", *(uses(n, queries) for n in (9, 11, 13, 16)))
    sys.exit("the openings are not independent" if failed else 0)


if __name__ == "__main__":
    main()
