"""Meta-paths written plainly, over dense matrices of exact numbers, and wrong versions of them.

`breaks` names a law that has to catch each.
"""

import numpy as np
from scipy.sparse import csr_array
from textbook import Steps


class Counts(Steps):
    family = "metapath.commuting_matrix"

    def __call__(self, relations):
        whole = all(A.dtype.kind in "biu" for A in relations)
        product = self.read(relations[0])
        for A in relations[1:]:
            product = self.multiply(product, self.read(A))
        return self.write(product, np.int64 if whole else np.float64)

    def read(self, A):
        """Python numbers do not wrap around."""
        table = np.zeros(A.shape, dtype=object)
        rows = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
        for i, j, a in zip(rows, A.indices, A.data.tolist(), strict=True):
            table[i, j] += a
        return table

    def multiply(self, A, B):
        return A @ B

    def write(self, product, dtype):
        return csr_array(np.array(product.tolist(), dtype=dtype).reshape(product.shape))


class CountsReachingOnly(Counts):
    """The fault of PyG's and DGL's reachable graphs: whether there is a path, not how many."""

    breaks = "an entry counts paths"

    def write(self, product, dtype):
        return super().write((product > 0).astype(int), dtype)


class AnswersInFloats(Counts):
    breaks = "counts are whole numbers of 64 bits"

    def write(self, product, dtype):
        return super().write(product, np.float64)


class WrapsAround(Counts):
    breaks = "counts never wrap around"

    def multiply(self, A, B):
        return (A.astype(np.uint64) @ B.astype(np.uint64)).view(np.int64) if self.fits(A, B) else A @ B

    def fits(self, A, B):
        return all(isinstance(a, int) and 0 <= a < 2**63 for a in (*A.ravel(), *B.ravel()))


class ForgetsCountsOnTheWay(Counts):
    breaks = "the order of multiplication does not matter"

    def multiply(self, A, B):
        return (A > 0).astype(object) @ B


class TakesNode0ForNone(Counts):
    breaks = "numbering nodes anew reorders the matrix"

    def multiply(self, A, B):
        return A[:, 1:] @ B[1:] if len(B) > 1 else A @ B


class StoresZeros(Counts):
    breaks = "rows are in order"

    def write(self, product, dtype):
        n, m = product.shape
        every = np.tile(np.arange(m), n), np.arange(n + 1) * m
        return csr_array((np.array(product.ravel().tolist(), dtype=dtype), *every), shape=(n, m))


class KeepsTheLastEntry(Counts):
    breaks = "what is stored twice adds up"

    def read(self, A):
        table = np.zeros(A.shape, dtype=object)
        rows = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
        table[rows, A.indices] = A.data.tolist()
        return table


class TidiesUp(Counts):
    breaks = "the relations are left alone"

    def read(self, A):
        A.sum_duplicates()
        return super().read(A)


class Scores(Steps):
    """All scores, dense."""

    family = "metapath.pathsim"

    def __call__(self, half_path, *, threshold=0.0, n_jobs=None):
        return self.keep(self.all_scores(half_path, n_jobs), threshold)

    def all_scores(self, half_path, n_jobs):
        W = self.half(half_path)
        M = self.around(W)
        d = M.diagonal()
        score = np.frompyfunc(self.score, 3, 1)
        return self.finish(score(M, d[:, None], d[None, :]).astype(float), W, n_jobs)

    def half(self, half_path):
        counts = Counts()
        W = counts.read(half_path[0])
        for A in half_path[1:]:
            W = W @ counts.read(A)
        return W

    def around(self, W):
        return W @ W.T

    def score(self, m, d_x, d_y):
        return 2 * m / (d_x + d_y) if m else 0.0

    def finish(self, S, W, n_jobs):
        return S

    def keep(self, scores, threshold):
        return np.where(scores >= threshold, scores, 0.0)


class MeasuresTheAngle(Scores):
    """JoinSim: the cosine, which does not mind how many paths there are."""

    breaks = "few paths are not like many"

    def score(self, m, d_x, d_y):
        return float(m) / float(d_x * d_y) ** 0.5 if m else 0.0


class SharesOfUnions(Scores):
    """Tanimoto's coefficient, which ranks alike."""

    breaks = "a score sets paths between against paths around"

    def score(self, m, d_x, d_y):
        return m / (d_x + d_y - m) if m else 0.0


class LikesEqualRoles(Scores):
    """Compares how paths are spread, not where they lead."""

    breaks = "shared company counts and equal roles do not"

    def half(self, half_path):
        return -np.sort(-super().half(half_path), axis=1)


class WalksAtRandom(Scores):
    breaks = "scores are symmetric"

    def score(self, m, d_x, d_y):
        return m / d_x if m else 0.0


class ReturnsRawCounts(Scores):
    breaks = "scores lie between 0 and 1"

    def score(self, m, d_x, d_y):
        return float(m)


class IsAlwaysLikeItself(Scores):
    """The fault of pysclump: 1 on the diagonal, paths or not."""

    breaks = "nodes without paths score 0"

    def finish(self, S, W, n_jobs):
        np.fill_diagonal(S, 1.0)
        return S


class ForgetsItsTwin(Scores):
    """Collapses equal rows, and answers for the first of them alone."""

    breaks = "twins score 1"

    def finish(self, S, W, n_jobs):
        for x, row in enumerate(W.tolist()):
            if row in W[:x].tolist():
                S[x] = S[:, x] = 0.0
        return S


class KeepsTheUpperHalf(Scores):
    breaks = "numbering nodes anew reorders the scores"

    def finish(self, S, W, n_jobs):
        return np.triu(S)


class LosesWhatIsOnTheThreshold(Scores):
    breaks = "a threshold keeps what reaches it"

    def keep(self, scores, threshold):
        return np.where(scores > threshold, scores, 0.0)


class StoresAllScores(Scores):
    breaks = "rows of scores are in order"

    def keep(self, scores, threshold):
        n, kept = len(scores), super().keep(scores, threshold)
        return csr_array((kept.ravel(), np.tile(np.arange(n), n), np.arange(n + 1) * n), shape=(n, n))


class WrapsAroundWhenGreat(Scores):
    breaks = "scores of great counts do not wrap around"

    def around(self, W):
        W = W.astype(np.uint64 if all(isinstance(w, int) for w in W.ravel()) else float)
        return (W @ W.T).astype(object)


class RoundsOnTheWay(Scores):
    breaks = "scores are rounded once"
    strict = True

    def score(self, m, d_x, d_y):
        return 2 * float(m) / (float(d_x) + float(d_y)) if m else 0.0


class Best(Scores):
    """The best k by sorting all scores."""

    family = "metapath.pathsim_top_k"

    def __call__(self, half_path, k, *, queries=None, include_self=False, n_jobs=None):
        S = self.all_scores(half_path, n_jobs)
        asked = self.asked(range(len(S)) if queries is None else queries)
        indices, scores = np.full((len(asked), k), self.none), np.zeros((len(asked), k))
        for i, x in enumerate(asked):
            row = [(s, y) for y, s in enumerate(S[x].tolist()) if self.counts(s, x, y, include_self)]
            for place, (s, y) in enumerate(sorted(row, key=self.rank)[:k]):
                indices[i, place], scores[i, place] = y, s
        return indices, scores

    none = -1

    def asked(self, queries):
        return list(queries)

    def counts(self, s, x, y, include_self):
        return s > 0 and (include_self or x != y)

    def rank(self, scored):
        return -scored[0], scored[1]


class RanksByCounts(Best):
    """What a top-k of the raw product answers."""

    breaks = "the best come first"

    def score(self, m, d_x, d_y):
        return float(m)


class MistakesMike(Best):
    breaks = "bob is most like mike"

    def score(self, m, d_x, d_y):
        return float(m) / float(d_x * d_y) ** 0.5 if m else 0.0


class TakesTheLastOfEqual(Best):
    breaks = "ties go by index"

    def rank(self, scored):
        return -scored[0], -scored[1]


class PadsWithNode0(Best):
    breaks = "short rows are padded"
    none = 0


class FillsUpWithStrangers(Best):
    breaks = "short rows are padded"

    def counts(self, s, x, y, include_self):
        return include_self or x != y


class AnswersWithTheQuestion(Best):
    breaks = "a query is left out unless asked for"

    def counts(self, s, x, y, include_self):
        return s > 0


class SortsTheQueries(Best):
    breaks = "a query does not depend on others"

    def asked(self, queries):
        return sorted(set(queries))


class Pairs(Scores):
    """Scores looked up among all."""

    family = "metapath.pathsim_pairs"

    def __call__(self, half_path, left, right, *, n_jobs=None):
        return self.pick(self.all_scores(half_path, n_jobs), left, right)

    def pick(self, S, left, right):
        return S[left, right]


class ScoresByTheAngle(Pairs):
    breaks = "a pair scores by its paths"

    def score(self, m, d_x, d_y):
        return float(m) / float(d_x * d_y) ** 0.5 if m else 0.0


class MeasuresAgainstTheLeft(Pairs):
    breaks = "a pair may be turned round"

    def score(self, m, d_x, d_y):
        return m / d_x if m else 0.0


class ScalesToTheBest(Pairs):
    breaks = "a pair does not depend on others"

    def pick(self, S, left, right):
        found = S[left, right]
        return found / found.max() if found.any() else found


def _mutants_of_all(right):
    """Make the three faults that any of the functions about scores may have."""

    class Keeps(right):
        breaks = "what is stored twice adds up"

        def half(self, half_path):
            W = KeepsTheLastEntry().read(half_path[0])
            for A in half_path[1:]:
                W = W @ KeepsTheLastEntry().read(A)
            return W

    class Tidies(right):
        breaks = "the relations are left alone"

        def half(self, half_path):
            for A in half_path:
                A.sum_duplicates()
            return super().half(half_path)

    class Splits(right):
        breaks = "the answer does not depend on threads"

        def finish(self, S, W, n_jobs):
            return S * (1 - 2.0**-50 * ((n_jobs or 1) - 1))

    for kind in (Keeps, Tidies, Splits):
        kind.__name__ = f"{right.__name__}{kind.__name__}"
    return [Keeps, Tidies, Splits]


RIGHT = [Counts, Scores, Best, Pairs]
MUTANTS = [
    *Counts.__subclasses__(),
    *(kind for right in (Scores, Best, Pairs) for kind in right.__subclasses__() if kind not in RIGHT),
    *(kind for right in (Scores, Best, Pairs) for kind in _mutants_of_all(right)),
]
