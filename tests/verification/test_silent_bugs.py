"""Bugs that a program learns with: each is found by the check made for its kind, and no right program is accused."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_bugs import BUGS, Bug, bugs

from verification.judging import judged

CORPORA = tuple(BUGS.parent / name for name in ("fresh", "blind"))
FOUND_BY = {
    "arrows_flip_keeps_label": "augmented-labels",
    "churn_offset_missing": "shared-table",
    "ctc_blank_removed_first": "spelled-path",
    "ddpm_ema_once_an_epoch": "averaged-weights",
    "ddpm_sampler_adds_variance": "sampler-path",
    "distill_no_squared_temperature": "soft-targets",
    "distill_teacher_answers_in_train_mode": "prepared-answers",
    "experts_channel_head_detached": "cut-paths",
    "flow_guidance_sign": "guidance-sign",
    "flow_time_as_integer": "input-use",
    "flow_velocity_sign": "sampler-path",
    "forecast_quantiles_reversed": "quantile-levels",
    "fraud_coupled_weight_decay": "coupled-decay",
    "fraud_imputed_by_class": "label-in-fill",
    "gpt_rotates_by_head": "rotary",
    "lora_base_not_frozen": "frozen-weights",
    "lora_scaling_upside_down": "written-quotient",
    "molecule_bonds_permuted_on_one_side": "kept-symmetry",
    "molecule_degree_times_own": "graph-wiring",
    "molecule_energy_averaged": "additive-readout",
    "ppo_max_of_surrogates": "policy-gradient",
    "ppo_ratio_upside_down": "policy-gradient",
    "survival_censored_taken_for_failed": "batch-use",
    "survival_standardised_by_row": "row-scaling",
    "survival_survived_own_interval": "reachable-likelihood",
    "translate_forced_evaluation": "free-running",
    "translate_last_word_not_encoded": "padding",
    "translate_no_end_of_sentence": "asked-tokens",
    "translate_padding_in_loss": "asked-tokens",
    "triplet_finds_itself": "trained-metric",
    "unet_mask_not_flipped": "aligned-augmentation",
    "vae_bound_without_kl": "latent-bound",
    "vae_kl_warmed_down": "latent-bound",
    "vae_no_noise": "latent-noise",
    "vae_reconstruction_averaged_over_pixels": "latent-bound",
    "vae_std_is_variance": "latent-noise",
    "vit_test_not_normalised": "parts-alike",
}
OWN_BUGS = {
    "fresh": (
        ("heeded-warnings", "gpt", "        optimizer.step()\n        scheduler.step()", "        scheduler.step()\n"
         "        optimizer.step()"),
        ("serving-skew", "vit", "pred = model(*model_inputs(batch)).argmax", "pred = model(255 * batch[0]).argmax"),
        ("schedule-length", "distill", "        sched.step()\n    return", "            sched.step()\n    return"),
        ("schedule-length", "distill", "T_max=epochs", "T_max=steps"),
        ("summed-batches", "gpt", "compute_loss(model(*model_inputs(batch)), batch) / accumulate", "compute_loss("
         "model(*model_inputs(batch)), batch)"),
        ("turned-rates", "survival", "nn.Dropout(0.1)", "nn.Dropout(0.9)"),
        ("turned-rates", "distill", "self.bn2 = nn.BatchNorm2d(c_out)", "self.bn2 = nn.BatchNorm2d(c_out, "
         "momentum=0.99)"),
    ),
    "blind": (
        ("cut-paths", "arrows", "self.fc1(s)", "self.fc1(s.detach())"),
        ("class-weights", "churn", "POS_WEIGHT = 5.0", "POS_WEIGHT = 0.2"),
        ("optimizer-use", "translate", "betas=(0.9, 0.98)", "betas=(0.98, 0.9)"),
    ),
}  # fmt: skip
"""Further bugs, as check, program, right text and wrong text."""


@pytest.mark.sandbox
def test_each_silent_bug_is_found_by_the_check_that_is_made_for_its_kind(sandbox_python: Path, tmp_path: Path) -> None:
    files: dict[str, Path] = {}
    for corpus in CORPORA:
        for bug in bugs(corpus / "bugs.json"):
            name = f"{bug.program}_{bug.name}"
            if name in FOUND_BY:
                files[name] = tmp_path / f"{name}.py"
                files[name].write_text(bug.planted(corpus / "correct"), "utf-8")
    found_by = dict(FOUND_BY)
    for corpus in CORPORA:
        for number, (check, program, right, wrong) in enumerate(OWN_BUGS[corpus.name]):
            name = f"{corpus.name}_{number}"
            bug = Bug(program=program, name=name, what=check, right=right, wrong=wrong)
            files[name] = tmp_path / f"{name}.py"
            files[name].write_text(bug.planted(corpus / "correct"), "utf-8")
            found_by[name] = check

    told = judged(files.values(), sandbox_python, {name: [check] for name, check in found_by.items()})

    found = {name: told[f"{name}.py"][check] for name, check in found_by.items()}
    assert len(files) == len(found_by)
    assert {name: said for name, said in found.items() if said[0] != "fail"} == {}


@pytest.mark.sandbox
@pytest.mark.parametrize("corpus", CORPORA, ids=lambda corpus: corpus.name)
def test_the_right_twins_are_spared_by_the_checks_that_find_their_bugs(corpus: Path, sandbox_python: Path) -> None:
    asked: dict[str, set[str]] = {}
    for bug in bugs(corpus / "bugs.json"):
        if check := FOUND_BY.get(f"{bug.program}_{bug.name}"):
            asked.setdefault(bug.program, set()).add(check)
    for check, program, *_ in OWN_BUGS[corpus.name]:
        asked.setdefault(program, set()).add(check)
    programs = [corpus / "correct" / f"{program}.py" for program in sorted(asked)]

    told = judged(programs, sandbox_python, {program: sorted(checks) for program, checks in asked.items()})

    open_ends = {
        (name, check): said
        for name, results in told.items()
        for check, said in results.items()
        if said[0] not in {"pass", "not_applicable"}
    }
    assert (open_ends, len(told)) == ({}, len(programs))


LED_TO = {
    "strangers": {
        "commands_average_without_statistics": "running-statistics",
        "gat_no_leaky_relu": "query-use",
        "gat_softmax_over_receivers": "softmax-axis",
        "neural_ode_cut_between_steps": "cut-paths",
        "neural_ode_windows_split": "shared-windows",
        "protein_mlm_visible_residues_in_loss": "answer-in-input",
        "qa_dropout_in_evaluation": "eval-determinism",
        "qa_questions_split": "groups",
        "quantile_error_of_all_pairs": "compared-rows",
        "reward_pairs_split": "groups",
        "set_transformer_equal_inducing_points": "equal-rows",
        "vqvae_no_straight_through": "straight-through",
        "wavenet_nats_as_bits": "named-metric",
    },
    "newcomers": {
        "charlm_overlapping_windows_shuffled": "shared-windows",
        "charlm_schedule_per_part": "heeded-warnings",
        "counting_errors_of_both_signs_cancel": "cancelled-errors",
        "counting_plateau_of_maximum": "plateau-direction",
        "distill_teacher_in_training_mode": "prepared-answers",
        "fttransformer_own_label_encoded": "own-label",
        "realnvp_actnorm_set_again": "settled-parameters",
        "recsys_constant_factors": "equal-rows",
        "survival_censored_count_as_events": "batch-use",
    },
}
"""What the survivors of these lists led to, with the checks that find them; static ones have tests of their own."""
SPARED = ("batch-use", "data-contract", "input-use", "repeatable-data")
"""Checks that accused right programs of these lists once."""


@pytest.mark.sandbox
@pytest.mark.parametrize("name", LED_TO)
def test_what_the_list_of_a_stranger_led_to_finds_its_bugs_and_spares_their_twins(
    name: str, sandbox_python: Path, tmp_path: Path
) -> None:
    corpus, found_by = BUGS.parent / name, LED_TO[name]
    asked: dict[str, list[str]] = {}
    for bug in bugs(corpus / "bugs.json"):
        if check := found_by.get(f"{bug.program}_{bug.name}"):
            (tmp_path / f"{bug.program}_{bug.name}.py").write_text(bug.planted(corpus / "correct"), "utf-8")
            asked[f"{bug.program}_{bug.name}"] = [check]
    for program in {bug.program for bug in bugs(corpus / "bugs.json")}:
        (tmp_path / f"{program}.py").write_text((corpus / "correct" / f"{program}.py").read_text("utf-8"), "utf-8")
        asked[program] = sorted({*found_by.values(), *SPARED})

    told = judged(sorted(tmp_path.glob("*.py")), sandbox_python, asked)

    failed = {(name, check) for name, results in told.items() for check, said in results.items() if said[0] == "fail"}
    assert failed == {(f"{name}.py", check) for name, check in found_by.items()}


DDPM = (CORPORA[0] / "correct" / "ddpm.py").read_text("utf-8")
STEP_BY_STEP = DDPM[
    DDPM.index("    for step in reversed") : DDPM.index("    return x\n\n\n@torch.no_grad()\ndef evaluate")
]
FEW_STEPS = """    times = torch.linspace(T - 1, 0, 8).round().long().tolist()
    for now, then in zip(times, [*times[1:], -1]):
        eps = model(x, torch.full((n,), now))
        before, after = ALPHA_BARS[now], ALPHA_BARS[then] if then >= 0 else torch.tensor(1.0)
        x0 = ((x - (1 - before).sqrt() * eps) / before.sqrt()).clamp(-2, 2)
        x = after.sqrt() * x0 + (1 - after).sqrt() * (x - before.sqrt() * x0) / (1 - before).sqrt()
"""
FROM_DATA = """    for step in reversed(range(T)):
        x0 = model(x, torch.full((n,), step))
        before, after = ALPHA_BARS[step], ALPHA_BARS[step - 1] if step else torch.tensor(1.0)
        mean = (after.sqrt() * BETAS[step] * x0 + ALPHAS[step].sqrt() * (1 - after) * x) / (1 - before)
        x = mean + ((1 - after) / (1 - before) * BETAS[step]).sqrt() * torch.randn_like(x)
"""
SAMPLERS = {
    "few_steps": (FEW_STEPS, "self.noise[i]"),
    "from_data": (FROM_DATA, "self.points[i]"),
    "wrong_index": (FEW_STEPS.replace("ALPHA_BARS[now],", "ALPHA_BARS[max(now - 9, 0)],"), "self.noise[i]"),
    "wrong_coefficient": (FROM_DATA.replace("(after.sqrt() * BETAS", "(0.5 * before.sqrt() * BETAS"), "self.points[i]"),
}
"""Samplers of the diffusion, and what the network is to predict; the last two are wrong."""


@pytest.mark.sandbox
def test_samplers_of_other_kinds_are_spared_and_wrong_coefficients_found(sandbox_python: Path, tmp_path: Path) -> None:
    for name, (sampler, predicted) in SAMPLERS.items():
        source = DDPM.replace(STEP_BY_STEP, sampler).replace("self.t[i], self.noise[i]", f"self.t[i], {predicted}")
        (tmp_path / f"{name}.py").write_text(source, "utf-8")

    told = judged(sorted(tmp_path.glob("*.py")), sandbox_python, {name: ["sampler-path"] for name in SAMPLERS})

    assert {name: told[f"{name}.py"]["sampler-path"][0] for name in SAMPLERS} == {
        "few_steps": "pass",
        "from_data": "pass",
        "wrong_index": "fail",
        "wrong_coefficient": "fail",
    }
