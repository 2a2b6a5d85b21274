"""A recurrent network that models text, one character after another (Karpathy, 2015)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from dgm_tfp.data.text import decode, encode
from dgm_tfp.errors import InputError
from dgm_tfp.models.generative import seed_pair
from dgm_tfp.models.likelihood import Likelihood
from dgm_tfp.models.model_distribution import ModelDistribution

CELLS = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}


class TextDistribution(ModelDistribution):
    """p(x) = product over t of p(x_t given x_<t), a mass on sequences of integers (as floating-point numbers).

    Args:
      model: gives `log_probs` and `draw`.
    """

    def __init__(self, model: "CharRNN", name: str = "text"):
        super().__init__(model, dict(locals()), name)

    def _log_prob(self, x):
        ids = tf.cast(tf.reshape(x, [-1, *self._model.event_shape]), tf.int32)
        return tf.reshape(tf.reduce_sum(self._model.log_probs(ids), axis=1), tf.shape(x)[:-1])

    def _sample_n(self, n, seed=None):
        ids = self._model.draw(*self._model.start(n), self._model.event_size, tfp.random.sanitize_seed(seed))
        return tf.ensure_shape(tf.cast(ids, self.dtype), [None, *self._model.event_shape])


@keras.saving.register_keras_serializable(package="dgm_tfp")
class CharRNN(Likelihood):
    """log p(x) = sum over t of log p(x_t given x_<t), each a softmax on the state of a recurrent network.

    An example is a window of text: integers (length,), the places of its characters in `vocabulary`. Its first
    character is drawn after a learned start. Bits per dimension are bits per character.

    The network reads the characters from left to right and keeps a state, so a new character costs one step of it,
    however long the text before.

    Args:
      event_shape: (length,) of the windows.
      vocabulary: the characters, each once; `bins` is their number. See `data.load_text`.
      layers: of the recurrent network, one over the other.
      hidden: width of each layer's state.
      embedding: numbers that stand for a character at the network's input.
      cell: "gru" (Cho et al., 2014) or "lstm" (Hochreiter & Schmidhuber, 1997).
      dtype, seed: see `Generative`.

    Raises:
      InputError: an event that is no sequence; a vocabulary of fewer than two characters or with one twice, or that
        `bins` does not fit; an unknown cell; sizes below 1; conditioning, which this model does not take.
    """

    dequantized = False

    def __init__(
        self,
        event_shape,
        vocabulary: str,
        layers: int = 1,
        hidden: int = 256,
        embedding: int = 64,
        cell: str = "gru",
        bins: int | None = None,
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        if len(vocabulary) < 2 or len(set(vocabulary)) != len(vocabulary):
            raise InputError(f"the vocabulary is {vocabulary!r}; expected two characters or more, each once.")
        if bins not in (None, len(vocabulary)):
            raise InputError(f"bins is {bins}, the vocabulary has {len(vocabulary)} characters. Leave bins out.")
        super().__init__(event_shape, len(vocabulary), dtype, seed, **kwargs)
        if len(self.event_shape) != 1:
            raise InputError(f"CharRNN models sequences, got event_shape={self.event_shape}. Pass (length,).")
        if self.conditioning_shape is not None:
            raise InputError("CharRNN takes no conditioning. Leave conditioning_shape out; generate takes a prompt.")
        if cell not in CELLS:
            raise InputError(f"cell is {cell!r}; expected {' or '.join(map(repr, CELLS))}.")
        if min(layers, hidden, embedding) < 1:
            sizes = f"layers={layers}, hidden={hidden}, embedding={embedding}"
            raise InputError(f"CharRNN got {sizes}; expected 1 or more of each.")
        self.vocabulary, self.cell = vocabulary, cell
        self.layer_count, self.hidden, self.embedding = layers, hidden, embedding
        policy, glorot = self.network_policy, keras.initializers.GlorotUniform
        # One more than there are characters: `first` stands before the first character of a window.
        self.first = len(vocabulary)
        spread = keras.initializers.RandomNormal(0.0, 1.0, seed=100 * seed)
        self.embed = keras.layers.Embedding(self.first + 1, embedding, embeddings_initializer=spread, dtype=policy)
        self.embed.build((None, None))
        for i in range(layers):
            recurrent = CELLS[cell](
                hidden,
                return_sequences=True,
                return_state=True,
                kernel_initializer=glorot(seed=100 * seed + 3 * i + 1),
                recurrent_initializer=keras.initializers.Orthogonal(seed=100 * seed + 3 * i + 2),
                dtype=policy,
            )
            recurrent.build((None, None, hidden if i else embedding))
            setattr(self, f"recurrent_{i}", recurrent)  # tf.train.Checkpoint does not see a list
        self.readout = keras.layers.Dense(self.bins, kernel_initializer=glorot(seed=100 * seed + 99), dtype=policy)
        self.readout.build((None, hidden))
        self._graph_log_probs = tf.function(
            self.log_probs, autograph=False, input_signature=[tf.TensorSpec([None, None], tf.int32)]
        )
        numbers = [tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int32), tf.TensorSpec([], self.variable_dtype)]
        self._graph_generate = tf.function(
            self._generate, autograph=False, input_signature=[tf.TensorSpec([1, None], tf.int32), *numbers]
        )
        self.build()

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "vocabulary": self.vocabulary,
            "layers": self.layer_count,
            "hidden": self.hidden,
            "embedding": self.embedding,
            "cell": self.cell,
        }

    @property
    def recurrent(self) -> list[keras.layers.RNN]:
        """The recurrent layers, from the characters up."""
        return [getattr(self, f"recurrent_{i}") for i in range(self.layer_count)]

    @property
    def distribution(self) -> TextDistribution:
        """p(x), a mass on sequences of integers."""
        return TextDistribution(self)

    # In tensors. A state is a list of tensors (n, hidden) for each layer; ids are int32.

    def start_states(self, n: tf.Tensor) -> list[list[tf.Tensor]]:
        """The states before any character: zeros."""
        return [list(keras.tree.flatten(layer.get_initial_state(n))) for layer in self.recurrent]

    def read(self, ids: tf.Tensor, states: list) -> tuple[tf.Tensor, list]:
        """Logits (n, t, bins) of the character after each of `ids` (n, t), and the states after the last one."""
        y, after = self.embed(ids), []
        for layer, state in zip(self.recurrent, states, strict=True):
            y, *state = layer(y, initial_state=state)
            after.append(list(state))
        return tf.cast(self.readout(y), self.variable_dtype), after

    def step(self, ids: tf.Tensor, states: list) -> tuple[tf.Tensor, list]:
        """What `read` gives for one character (n,): logits (n, bins) and the states, without a loop."""
        y, after = self.embed(ids), []
        for layer, state in zip(self.recurrent, states, strict=True):
            y, state = layer.cell(y, state)
            after.append(list(state))
        return tf.cast(self.readout(y), self.variable_dtype), after

    def log_probs(self, ids: tf.Tensor) -> tf.Tensor:
        """log p(x_t given x_<t) in nats of each character of `ids` (n, t): (n, t)."""
        n = tf.shape(ids)[0]
        before = tf.concat([tf.fill([n, 1], self.first), ids[:, :-1]], axis=1)
        logits, _ = self.read(before, self.start_states(n))
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)

    def draw(self, logits: tf.Tensor, states: list, length, seed, temperature=1.0) -> tf.Tensor:
        """`length` characters (n, length), one after another, the first from `logits` (n, bins): each costs a step."""
        drawn = tf.TensorArray(tf.int32, length, element_shape=[None])

        def body(t, drawn, logits, states):
            here = tf.random.fold_in(seed, t)
            ids = tf.random.stateless_categorical(logits / temperature, 1, here, tf.int32)[:, 0]
            return t + 1, drawn.write(t, ids), *self.step(ids, states)

        _, drawn, _, _ = tf.while_loop(lambda t, *_: t < length, body, (0, drawn, logits, states))
        return tf.transpose(drawn.stack())

    def start(self, n) -> tuple[tf.Tensor, list]:
        """Logits of the first character of `n` windows, and the states."""
        return self.step(tf.fill([n], self.first), self.start_states(n))

    # What a person calls.

    def encode(self, text: str) -> np.ndarray:
        """The places of the characters in the vocabulary, (len(text),)."""
        return encode(text, self.vocabulary)

    def decode(self, ids) -> str:
        """The text of integers (t,)."""
        return decode(ids, self.vocabulary)

    def log_prob(self, x, batch_size: int = 250, seed: int = 0) -> np.ndarray:
        """log p(x) in nats of windows (n, length), or of strings: one, or a list of them.

        A string may have any length: its log p(x) is that of a window that begins with it.
        """
        if isinstance(x, str):
            x = [x]
        if isinstance(x, list | tuple) and x and all(isinstance(each, str) for each in x):
            return np.array([-np.log(2) * self.surprise(each).sum() for each in x], self.variable_dtype)
        return super().log_prob(x, batch_size, seed)

    def surprise(self, text: str) -> np.ndarray:
        """-log2 p(x_t given x_<t) of each character of a text, in bits, (len(text),)."""
        if not text:
            raise InputError("the text is empty. Pass one character or more.")
        return -self._graph_log_probs(self.encode(text)[None]).numpy()[0] / np.log(2)

    def generate(self, prompt: str = "", length: int = 200, temperature: float = 1.0, seed: int | None = None) -> str:
        """`length` characters that go on after `prompt`; the prompt is not repeated.

        Args:
          prompt: is read first; its characters must be in the vocabulary.
          length: how many characters to draw.
          temperature: the logits are divided by it: below 1 the likely ones become likelier, above 1 less so.
          seed: the same one gives the same text; the model's own by default.
        """
        if length < 1 or not temperature > 0:
            raise InputError(f"got length={length}, temperature={temperature}; expected 1 or more, and above 0.")
        ids = self._graph_generate(
            tf.constant(self.encode(prompt)[None]),
            tf.constant(length),
            seed_pair(self.seed if seed is None else seed),
            tf.constant(temperature, self.variable_dtype),
        )
        return self.decode(ids.numpy()[0])

    def _generate(self, prompt, length, seed, temperature):
        before = tf.concat([tf.fill([1, 1], self.first), prompt], axis=1)
        logits, states = self.read(before, self.start_states(1))
        return self.draw(logits[:, -1], states, length, seed, temperature)
