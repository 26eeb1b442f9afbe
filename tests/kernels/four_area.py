"""The DBLP four-area network as the third-party scores saw it: papers of one title merged, edges binary."""

import numpy as np
from scipy.sparse import csr_array


def table(path):
    """Return the rows of a tab-separated file; the first line may begin with a byte-order mark."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.split("\t") for line in lines if line.strip()]


def load(folder):
    """Return the names of authors, and the relations author × paper and paper × venue."""
    authors, venues = (table(folder / f"{name}.txt") for name in ("author", "conf"))
    titles = dict(table(folder / "paper.txt"))
    numbers = [
        {key: number for number, (key, _) in enumerate(authors)},
        {title: number for number, title in enumerate(dict.fromkeys(titles.values()))},
        {key: number for number, (key, _) in enumerate(venues)},
    ]
    wrote = {(numbers[0][a], numbers[1][titles[p]]) for p, a in table(folder / "paper_author.txt")}
    appeared = {(numbers[1][titles[p]], numbers[2][v]) for p, v in table(folder / "paper_conf.txt")}
    sizes = [len(part) for part in numbers]
    relations = [
        csr_array((np.ones(len(edges), bool), np.array(sorted(edges)).T), shape=shape)
        for edges, shape in ((wrote, sizes[:2]), (appeared, sizes[1:]))
    ]
    return [name for _, name in authors], relations
