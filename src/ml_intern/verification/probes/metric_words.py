"""The vocabulary of metrics: what names one, what changes what one measures, and what says nothing more."""

from __future__ import annotations

import re

_LEXICON = (
    # What has no reference here comes first: it is a metric all the same, and its words are not those of another one.
    ("error rate of words or characters", r"(word|character|char|phone(me)?|token|equal|label) error rates?"
                                          r"|top \d+ error( rate)?s?|wer|cer|eer"),
    ("mean average precision", r"mean average precision|map ?@ ?\d+"),
    ("rank metric", r"ndcg( ?@ ?\d+)?|dcg|mrr|(mean )?reciprocal rank|precision ?@ ?(\d+|k)|(mean|median) rank"),
    ("relative error", r"mape|smape|wape|mase|n?rmsle|nrmse|msle|(relative|percentage|median absolute|max) errors?"),
    ("F-beta", r"f ?(beta|0\.5|2)( score)?"),
    ("text metric", r"(sacre ?)?bleu( \d)?|rouge( (l|\d))?|meteor|chrf|edit (distance|similarity)|bert ?score"),
    ("image metric", r"fid|psnr|ssim|lpips|inception score|(g ?|box )iou|panoptic quality|hausdorff( distance)?"),
    ("agreement", r"mcc|matthews|(cohens? )?kappa|hamming( loss| score)?|brier( score)?|ece|calibration error"
                  r"|rand index"),
    ("correlation", r"(spearman|pearson|kendall)\w*|correlation|concordance|c index|gini|explained variance"),
    ("bits a byte", r"bits per (byte|dim(ension)?)|bpb|bpd|elbo"),
    ("rate", r"(win|success) rate|(true|false) (positive|negative) rate|[tf][pn]r|specificity|sensitivity|youden"),
    ("reward", r"rewards?|(episode|discounted|mean|average) returns|regret"),
    # What has one, the longer before what is part of it.
    ("balanced_accuracy", r"balanced acc(uracy)?( score)?|b ?acc|bal acc|macro( averaged)? recall|recall( score)? macro"
                          r"|(mean|average) (per )?class(wise)? (accuracy|recall)|unweighted average recall|uar"),
    ("top_k_accuracy", r"top ?(?P<k1>\d+|k)( acc(uracy)?( score)?| hit rate)?|acc(uracy)? ?@ ?(?P<k2>\d+|k)"
                       r"|(hit ?rate|hits?|hr)( ?@ ?(?P<k3>\d+|k))?"),
    ("recall_at_k", r"(recall|r) ?@ ?(?P<k4>\d+|k)|recall at (?P<k5>\d+|k)"),
    ("average_precision", r"average precision( score)?|(area under( the)? )?precision recall( auc| curve)+|au ?prc?"
                          r"|pr ?auc|auc ?pr"),
    ("auroc", r"(area under( the)? )?(roc|receiver operating characteristic)( auc| curve)*( score)?|au ?roc|roc ?auc"
              r"|auc|area under( the)? curve"),
    ("f1", r"f ?1( ?score)?|f (score|measure)"),
    ("mean_iou", r"(mean )?(iou|jaccard|intersection over( the)? union)( index| score)?|m ?iou"),
    ("dice", r"(mean )?dice( coefficient| score)?"),
    ("exact_match", r"exact match( accuracy| rate)?|(sequence|sentence) accuracy"),
    ("rmse", r"root mean squared?( errors?)?|rmse|root of the mean squared? errors?"),
    ("mse", r"mean squared? errors?|squared errors?|mse( loss)?"),
    ("mae", r"mean absolute (errors?|deviation)|absolute errors?|mae|l1 (error|loss)"),
    ("r2", r"r ?2( score)?|r squared|r ?\^ ?2|r²|coefficient of determination"),
    ("perplexity", r"perplexity|ppl"),
    ("bits_per_token", r"bits (per|a) (token|char(acter)?|symbol|sample|residue|base|position)|bpc"),
    ("log_loss", r"log loss|(binary )?cross entropy( loss)?( with logits)?|(negative )?log likelihood|nll( loss)?"
                 r"|bce( loss)?"),
    ("accuracy", r"((pixel|token|tag|node)( ?wise)? ?)?acc(uracy)?( score)?"
                 r"|(fraction|share|proportion) (correct|right)"),
    ("error_rate", r"(classification |misclassification )?error rate|misclassification rate"),
    ("precision", r"precision( score)?"),
    ("recall", r"recall( score)?"),
    ("loss", r"(compute )?loss(es)?"),
)  # fmt: skip
PATTERNS = tuple((name, re.compile(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9@])")) for name, pattern in _LEXICON)
"""Names of metrics in order: what one has found is taken out of the text before the next looks at it."""

NAMES = frozenset({
    "balanced_accuracy", "top_k_accuracy", "recall_at_k", "auroc", "average_precision", "f1", "macro_f1", "micro_f1",
    "weighted_f1", "entity_f1", "mean_iou", "dice", "exact_match", "rmse", "mse", "mae", "r2", "perplexity",
    "bits_per_token", "log_loss", "accuracy", "error_rate", "precision", "recall",
})  # fmt: skip
"""Metrics with a reference; `entity_f1` has none, and is only known not to be the accuracy."""

PART_OF = {
    "perplexity": {"log_loss", "loss"},
    "bits_per_token": {"log_loss", "loss"},
    "rmse": {"mse"},
    "balanced_accuracy": {"recall"},
}
"""Metrics that the definition of another one names."""

KIND_OF = {
    "macro_f1": "f1",
    "micro_f1": "f1",
    "weighted_f1": "f1",
    "entity_f1": "f1",
    "recall_at_k": "recall",
    "top_k_accuracy": "accuracy",
    "exact_match": "accuracy",
}
"""What a variable may be called for short where the docstring names the kind."""

MODES = {
    "macro_f1": re.compile(r"\b(macro( averaged?)?|unweighted)\b"),
    "micro_f1": re.compile(r"\bmicro( averaged?)?\b"),
    "weighted_f1": re.compile(r"\b(support )?weighted( averaged?)?\b"),
    "entity_f1": re.compile(r"\b(entit(y|ies)|spans?|chunks?|mentions?|seqeval)\b"),
}
"""What kind of F1 a text means."""

ALTERED = re.compile(
    r"\b(macro|micro|weighted|unweighted|balanced|per class|class ?wise|minus|thresholds?|tuned|hard|binar\w+|soft|"
    r"smooth\w*|relative|normali[sz]ed|median|trimmed|worst|groups?|subset|sampled|logs?|logarithm\w*|squared?|root|"
    r"inverse|within|tolerance|errors?|instead|rather|versus|cumulative|change|difference|delta|ratio|ensembl\w*|augment\w*|"
    r"calibrat\w*|per (user|image|group|query)|(mean|averaged?) (\w+ )*batch(es)?|by batch|each batch|in batch)\b"
)
"""Words that change what a metric measures."""

AMONG_ALL = re.compile(
    r"\bamong (all|the (whole|entire))\b|\ball candidates\b|\b(whole|entire) (gallery|catalogue|corpus|index)\b"
)
"""Words that say which rows something is found among."""

OWN_UNIT = re.compile(r"\b(own|original|raw|real|physical|natural) (units?|scale)\b")
"""Words that say an error is not one of standardised targets."""

COMMON_THRESHOLD = re.compile(
    r"(at |with |and )?(a |the )?(threshold(ed)? (of |at )?(0?\.5|zero|one half)\b|0?\.5 threshold)"
)
"""Of probabilities, or zero for logits: the one that accuracy means."""

PLAIN = re.compile(
    r"""an?|the|of|on|over|in|for|to|and|by|with|as|is|are|at|its?|this|that|all|every|each|both|any|from|which|how|what
    |whole|entire|full|given|among|between|one|single|no|s|k|whose|own|held|out|final|last|current|new|initial|loaded
    |computes?|calculates?|evaluates?|evaluation|eval|returns?|returned|gives?|reports?|measures?|counted|torch|grad|mode
    |scores?|metrics?|values?|mean|averaged?|avg|overall|total|fraction|percent(age)?|number|float|higher|lower|better
    |models?|network|predictors?|predictions?|predicted|train(ed|ing)?|test(ing)?|valid(ation|ate)?|val|dev|best|epoch
    |data|dataset|set|splits?|parts?|loader|rows?|samples?|examples?|images?|pictures?|captions?|sentences?|texts?
    |tokens?|words?|pixels?|positions?|nodes?|labels?|label?led|class(es)?|targets?|tags?|next|batch(es)?|items?|users?
    |ignored?|ignoring|padd?(ing|ed)?|non|masked|unlabel?led|real|true|correct(ly)?|right|steps?|sites?|units?
    |standard|deviations?|property|positives?|negatives?|churner""",
    re.VERBOSE,
)
"""Words that leave a metric what it is."""
