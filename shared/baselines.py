"""What a prediction is worth that no network made: four predictors to beat."""

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import LinearRegression

from shared.data import Data

TUTORIAL = {
    "rnn": {"train": 5.631405292660929e-05, "test": 2.62349731388e-05},
    "rnn_with_attention": {"train": 5.3511179430643097e-05, "test": 9.053358553501312e-06},
}
"""The tutorial's own errors, one run each (Mehreen Saeed, "Adding a Custom Attention Layer to
Recurrent Neural Network in Keras")."""


def mse(prediction: Float[np.ndarray, "*shape"], target: Float[np.ndarray, "*shape"]) -> float:
    """Mean squared error, in float64 whatever the type of the arguments."""
    difference = np.asarray(prediction, np.float64) - np.asarray(target, np.float64)
    return float(np.mean(difference**2))


def baselines(data: Data) -> dict[str, dict[str, float]]:
    """Train and test MSE of the simple predictors, by name, computed in float64.

    predict 0; the training mean; persistence (the last number again, for all that follow); linear
    regression on the last two numbers (on the last one, if a window holds no more).
    """
    sides = {
        "train": (data.train_x.astype(np.float64), data.train_y.astype(np.float64)),
        "test": (data.test_x.astype(np.float64), data.test_y.astype(np.float64)),
    }
    last_two = {side: x[:, -2:, 0] for side, (x, _) in sides.items()}
    train_y = sides["train"][1]
    linear = LinearRegression(fit_intercept=False).fit(last_two["train"], train_y)
    predictors = {
        "predict 0": lambda x: np.zeros(1),
        "training mean": lambda x: train_y.mean(axis=0),
        "persistence": lambda x: x[:, -1:],
        "linear regression": linear.predict,
    }
    return {
        name: {
            side: mse(np.broadcast_to(predict(x), y.shape), y)
            for (side, (_, y)), x in zip(sides.items(), last_two.values(), strict=True)
        }
        for name, predict in predictors.items()
    }
