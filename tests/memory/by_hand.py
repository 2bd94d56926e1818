"""The equations of the papers in NumPy, one number at a time; shares nothing with the modules."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log(1 + np.exp(x))


def softmax(x):
    e = np.exp(np.asarray(x) - np.max(x))
    return e / e.sum()


def cosine(u, v):
    dot = sum(a * b for a, b in zip(u, v, strict=True))
    lengths = np.sqrt(sum(a * a for a in u)) * np.sqrt(sum(b * b for b in v))
    return dot / lengths if lengths > 0 else 0.0


def by_content(key, memory, strength):
    return softmax([strength * cosine(key, slot) for slot in memory])


def rotated(weights, shifts):
    """Circular convolution: shifts is a distribution over -1, 0 and 1."""
    slots = len(weights)
    result = np.zeros(slots)
    for n in range(slots):
        for j in range(slots):
            for offset, share in zip((-1, 0, 1), shifts, strict=True):
                if (n - j - offset) % slots == 0:
                    result[n] += weights[j] * share
    return result


def sharp(weights, power):
    raised = np.array([w**power for w in weights])
    return raised / raised.sum()


def erased_and_added(memory, heads):
    """``heads`` are (weights, erase, add); every head erases, then every head adds."""
    memory = memory.copy()
    for weights, erase, _ in heads:
        for n in range(memory.shape[0]):
            for m in range(memory.shape[1]):
                memory[n, m] *= 1 - weights[n] * erase[m]
    for weights, _, add in heads:
        for n in range(memory.shape[0]):
            for m in range(memory.shape[1]):
                memory[n, m] += weights[n] * add[m]
    return memory


def read_from(memory, weights):
    return sum(weights[n] * memory[n] for n in range(len(weights)))


def linear(module, x):
    weight = module.weight.detach().double().numpy()
    bias = 0 if module.bias is None else module.bias.detach().double().numpy()
    return weight @ x + bias


def gru_cell(cell, x, h):
    """Cho et al. 2014, with the reset gate inside the recurrent product as PyTorch documents it."""
    w, u, b, c = (p.detach().double().numpy() for p in cell.parameters())
    width = len(h)
    given, kept = w @ x + b, u @ h + c
    reset = sigmoid(given[:width] + kept[:width])
    update = sigmoid(given[width : 2 * width] + kept[width : 2 * width])
    new = np.tanh(given[2 * width :] + reset * kept[2 * width :])
    return (1 - update) * new + update * h


def lstm_cell(cell, x, state):
    w, u, b, c = (p.detach().double().numpy() for p in cell.parameters())
    h, cell_state = np.split(state, 2)
    admit, forget, new, show = np.split(w @ x + b + u @ h + c, 4)
    cell_state = sigmoid(forget) * cell_state + sigmoid(admit) * np.tanh(new)
    return np.concatenate([sigmoid(show) * np.tanh(cell_state), cell_state])


def normalised(module, x):
    """Layer norm without a bias."""
    scale = module.weight.detach().double().numpy()
    return (x - x.mean()) / np.sqrt(x.var() + module.eps) * scale


def controlled(cell, x, state):
    """The next state of a controller, whichever it is."""
    kind = type(cell).__name__
    if kind == "Linear":
        return np.tanh(linear(cell, x))
    return {"GRUCell": gru_cell, "LSTMCell": lstm_cell}[kind](cell, x, state)
