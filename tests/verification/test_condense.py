"""What explains a failure survives; what only fills the context goes."""

from __future__ import annotations

from ml_intern.verification.condense import condense, explained, shorten

TRACEBACK = """\
Traceback (most recent call last):
  File "/source/train.py", line 22, in <module>
    loss = step(batch)
           ^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1776, in _wrapped_call_impl
    return self._call_impl(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1787, in _call_impl
    return forward_call(*args, **kwargs)
  File "/source/network.py", line 9, in forward
    return self.head(x)
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 134, in forward
    return F.linear(input, self.weight, self.bias)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x64 and 32x10)
"""


def test_frames_of_libraries_are_counted_and_the_users_and_the_raising_ones_stay() -> None:
    assert condense(TRACEBACK).splitlines() == [
        "Traceback (most recent call last):",
        "  /source/train.py:22 <module> — loss = step(batch)",
        "  … 2 library frames",
        "  /source/network.py:9 forward — return self.head(x)",
        "  torch/nn/modules/linear.py:134 forward — return F.linear(input, self.weight, self.bias)",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x64 and 32x10)",
    ]


def test_a_warning_of_a_library_keeps_its_words_and_a_short_place_and_one_of_the_users_stays_whole() -> None:
    library = "/venv/lib/python3.11/site-packages/torch/utils/data/dataloader.py:424: UserWarning: 2 worker processes"
    users = "/workspace/train.py:3: FutureWarning: no longer\n  scale(loss)"

    assert condense(f"{library}\n  warnings.warn(\n  kept: 3\n{users}\n").splitlines() == [
        "torch/utils/data/dataloader.py:424 UserWarning: 2 worker processes",
        "  kept: 3",
        "/workspace/train.py:3: FutureWarning: no longer",
        "  scale(loss)",
    ]


def test_a_progress_bar_shows_its_last_state_and_colors_go() -> None:
    bar = "".join(f"\r{n}%|{'#' * n}" for n in range(101))

    assert condense(f"{bar}\n\x1b[31mdone\x1b[0m\n") == f"100%|{'#' * 100}\ndone"


def test_lines_of_one_form_are_shown_twice_and_with_the_last_of_them() -> None:
    text = "\n".join(f"step {n} loss {1 / n:.3f}" for n in range(1, 101))

    assert condense(text).splitlines() == [
        "step 1 loss 1.000",
        "step 2 loss 0.500",
        "step 100 loss 0.010   [98 more lines like this]",
    ]


def test_the_end_of_a_text_keeps_more_room_than_its_beginning() -> None:
    short = shorten("a" * 500 + "b" * 500, 200)

    assert len(short) <= 200
    assert short.startswith("aaa")
    assert short.count("b") > short.count("a") > 0


def test_an_explanation_stands_in_the_place_of_a_traceback_and_of_those_that_led_to_it() -> None:
    chained = f"{TRACEBACK}\nDuring handling of the above exception, another exception occurred:\n\n{TRACEBACK}"
    worker = TRACEBACK.replace("RuntimeError: mat1", "RuntimeError: Caught in worker.\nOriginal Traceback (most recent")

    for trace in (TRACEBACK, chained, worker):
        assert explained(f"epoch 1\n{trace}[explained]\nRuntimeError: sizes\nhint: transpose\n") == (
            "epoch 1\nRuntimeError: sizes\nhint: transpose"
        )


def test_a_traceback_in_the_log_of_torch_keeps_its_first_and_last_line() -> None:
    log = "E1124 19:06:30.396000 24 torch/_subclasses/fake_tensor.py:3090] [1/0] "
    lines = ["failed to run meta for aten.mm", *TRACEBACK.splitlines()]

    assert condense("\n".join(log + line for line in lines)).splitlines() == [
        "failed to run meta for aten.mm",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x64 and 32x10)",
    ]
