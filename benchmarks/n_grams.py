"""Counts of n characters: what a recurrent network of text has to beat."""

import numpy as np


def bits_per_character(train: np.ndarray, test: np.ndarray, order: int, characters: int) -> float:
    """Bits per character of windows of text, each character given at most `order` before it in its window.

    Witten & Bell (1991): a context that was seen n times, before d different characters, gives the character c

        p(c given context) = (count(context c) + d p(c given context less its first character)) / (n + d)

    and no context at all backs off to the uniform law.

    Args:
      train: windows (n, length) of consecutive text, integers; counted as one text.
      test: windows (n, length), each on its own, as a model of windows sees them.
      order: characters of context.
      characters: in the vocabulary.
    """
    counts: list[dict] = [{} for _ in range(order + 1)]
    text = train.reshape(-1).tolist()
    for t, character in enumerate(text):
        for k in range(min(order, t) + 1):
            seen = counts[k].setdefault(tuple(text[t - k : t]), {})
            seen[character] = seen.get(character, 0) + 1
    totals = [{context: sum(seen.values()) for context, seen in table.items()} for table in counts]

    def probability(context: tuple, character: int) -> float:
        p = 1 / characters
        for k in range(len(context) + 1):
            end = context[len(context) - k :]
            if seen := counts[k].get(end):
                p = (seen.get(character, 0) + len(seen) * p) / (totals[k][end] + len(seen))
        return p

    logs = [np.log2(probability(tuple(x[max(0, t - order) : t]), x[t])) for x in test.tolist() for t in range(len(x))]
    return float(-np.mean(logs))
