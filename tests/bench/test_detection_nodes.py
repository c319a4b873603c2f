"""The same mail is judged alike by SQLite, by one PostgreSQL node, and by two behind a balancer."""

from __future__ import annotations

from bench.detection import nodes, population
from bench.detection.trials import Trials


def test_two_nodes_give_the_verdicts_of_one_and_of_a_file(own_postgres, tmp_path):
    """Traffic of the detection bench, request by request to each node in turn."""
    readers = population.build(11, population.Size(known=0, small=1, quiet=1))
    letters = population.letters(readers[::2], 11)
    sqlite, one, two = nodes.compare(Trials(tmp_path, 11), letters, own_postgres.url)
    assert min(sqlite.visits, one.visits, two.visits) > 250
    assert (one.same, two.same) == (True, True), (one, two)
    assert one.clicks == two.clicks == sqlite.clicks > 0
