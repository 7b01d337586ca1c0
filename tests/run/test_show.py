"""Tables, the sentence and the figures: what they show is what the record holds."""

import copy
import io
import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from attention_twins.twins import trained_twin
from benchmarks.common.sources import ROOT
from benchmarks.run.documents import FOLDERS, FORECAST
from benchmarks.run.figures import attention_figure, forecast_figure, loss_figure, prediction_figure
from benchmarks.run.tables import caveat, predictions_table, results_table, show
from benchmarks.run.worker import _quantiles
from shared.config import DataConfig
from shared.tasks import load_data


@pytest.fixture
def record():
    return json.loads((ROOT / FOLDERS[0] / "record.json").read_text())


def test_sentence_counts_and_compares(record):
    record["rows"]["test"] = {"rows": 10, "above_0.001": 3}
    record["baselines"]["linear regression"]["test"] = 2e-9
    for number, fit in enumerate(record["fits"]):
        fit["test_mse"], fit["large_share"] = 1e-5 * (number + 1), 0.5 / (number + 1)
    said = caveat(record)
    assert "3 of 10 test targets exceed 0.001 and carry 50.0% of the best network's error" in said
    assert "has an error 5e+03 times smaller than the best network here" in said
    record["baselines"]["linear regression"]["test"] = 1.0
    assert "the best network here beats a linear regression" in caveat(record)
    record["baselines"]["linear regression"]["test"] = 0.0
    assert "inf times smaller" in caveat(record)
    for fit in record["fits"]:
        fit["test_mse"] = None
    assert caveat(record) == "No network ended with a finite error."


def test_committed_record_is_about_the_tutorial(record):
    data = load_data(DataConfig(dtype="float64"))
    np.testing.assert_allclose(
        record["test_numbers"], data.to_numbers(data.test_y)[:, 0], rtol=1e-14
    )
    assert record["rows"] == {
        "train": {"rows": 826, "above_0.001": 11},
        "test": {"rows": 354, "above_0.001": 4},
    }
    assert record["status"] == "complete"
    assert not record["environment"]["commit"].endswith("-dirty")


def test_largest_numbers_come_first(record):
    table = predictions_table(record)
    numbers = [float(column) for column in table.columns[2:]]
    assert numbers == sorted(numbers, reverse=True)
    np.testing.assert_allclose(numbers[0], max(record["test_numbers"]), rtol=1e-3)
    row = record["test_numbers"].index(max(record["test_numbers"]))
    assert table.lines[0][:2] == ["rnn", "Keras"]
    assert table.lines[0][2] == f"{record['fits'][0]['test_numbers'][row]:.3e}"


def test_every_row_of_the_table_has_every_column(record):
    assert {len(line) for line in results_table(record).lines} == {6}
    assert len(results_table(record).lines) == 4 + 2 + 4


@pytest.mark.parametrize("width", [80, 200])
def test_nothing_is_cut_off(record, width):
    console = Console(width=width, record=True, file=io.StringIO())
    show(record, ROOT, console)
    text = console.export_text()
    assert "…" not in text
    for fit in record["fits"]:
        assert f"{fit['test_mse']:.3e}" in text


def test_loss_figure_shows_the_losses(record):
    figure = loss_figure(record)
    assert [axes.get_title() for axes in figure.axes] == ["rnn", "rnn_with_attention"]
    for axes, fits in zip(figure.axes, (record["fits"][:2], record["fits"][2:]), strict=True):
        assert axes.get_yscale() == "log"
        for line, fit in zip(axes.get_lines(), fits, strict=False):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 31))
            np.testing.assert_array_equal(line.get_ydata(), fit["loss"])
            assert line.get_color() == trained_twin(fit["twin"], "tensorflow").colour


def test_attention_figure_shows_alpha(record):
    figure = attention_figure(record)
    assert isinstance(figure, Figure)
    lines = figure.axes[0].get_lines()
    for line, fit in zip(lines, record["fits"][2:], strict=False):
        np.testing.assert_array_equal(line.get_ydata(), fit["alpha"]["mean"])
    ceiling, floor = (float(np.asarray(line.get_ydata())[0]) for line in lines[2:])
    assert f"{ceiling:.3f} {floor:.4f}" == "0.280 0.0071"
    alone = copy.deepcopy(record)
    alone["fits"] = alone["fits"][:2]
    assert attention_figure(alone) is None


def test_quantiles_of_alpha():
    alpha = np.array([[0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    assert _quantiles(alpha) == {
        "low": [0.2, 0.3],
        "mean": [pytest.approx(0.5), pytest.approx(0.5)],
        "high": [0.7, 0.8],
    }


def test_prediction_figure_shows_predictions_on_log_axes(record):
    figure = prediction_figure(record)
    for axes, name in zip(figure.axes, ("rnn", "rnn_with_attention"), strict=True):
        assert axes.get_xscale() == axes.get_yscale() == "log"
        shown = np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections])
        true = np.array(record["test_numbers"])
        fits = [fit for fit in record["fits"] if fit["model"] == name]
        assert len(shown) == len(fits) * (true > true.max() * 1e-12).sum()
        for fit in fits:
            pairs = dict(zip(true, np.abs(fit["test_numbers"]), strict=True))
            largest = shown[shown[:, 0] == true.max()]
            assert np.isclose(largest[:, 1], pairs[true.max()], rtol=1e-3).any()


def test_forecast_figure_shows_forecasts_beside_what_follows(record):
    assert forecast_figure(record) is None  # of one number there is nothing to draw
    several = json.loads((ROOT / FORECAST / "record.json").read_text())
    figure = forecast_figure(several)
    for row, axes in enumerate(figure.axes):
        seen, true, *forecasts = (
            line.get_ydata() for line in axes.get_lines() if len(line.get_ydata())
        )
        np.testing.assert_array_equal(seen, several["forecast"]["seen"][row][-10:])
        np.testing.assert_array_equal(true, several["forecast"]["true"][row])
        for drawn, fit in zip(forecasts, several["fits"], strict=True):
            np.testing.assert_array_equal(drawn, fit["forecast"][row])


@pytest.mark.parametrize(
    ("true", "predicted", "scale"),
    [
        ([5.0, 8.0], [6.0, 7.0], "linear"),
        ([5.0, 8.0], [6.0, 7e9], "log"),
        ([5.0, 8.0], [-6.0, 1e-4], "log"),
        ([5e5, 8e9], [6.0, 7.0], "log"),
        ([-5.0, 8.0], [6.0, 7e9], "linear"),
    ],
)
def test_forecasts_far_off_do_not_flatten_what_follows(record, true, predicted, scale):
    """Whoever is far off, truth or forecast; but a truth below 0 has no logarithm."""
    record["forecast"] = {"seen": [[2.0, 3.0]], "true": [true]}
    record["fits"] = [fit | {"forecast": [predicted]} for fit in record["fits"][:1]]
    (axes,) = forecast_figure(record).axes
    assert axes.get_yscale() == scale
