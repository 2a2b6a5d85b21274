"""The experiments of the study, in the order in which they are run and reported."""

from functools import partial

from dgm_tfp.study import changed, classifier, detection, iterations, moments, paradox, ratio, second_order, set_by_hand
from dgm_tfp.study.experiment import Experiment
from dgm_tfp.study.plan import OTHER_PAIRS, PARADOX, REVERSED

GREY, FOUR = ("fashion_mnist", "mnist"), ("fashion_mnist", "mnist", "cifar10", "svhn_cropped")


def _likelihood(name: str, title: str, question: str, model: str, pairs: paradox.Pairs) -> Experiment:
    data = tuple(dict.fromkeys(name for pair in pairs for name in pair))
    run = partial(paradox.likelihoods, name=name, model=model, pairs=pairs)
    return Experiment(title, question, data, run, paradox.histograms)


CATALOGUE: dict[str, Experiment] = {
    "moments": Experiment(
        "Means and variances",
        "How do the two sets of each pair differ in the mean and in the variance of each dimension?",
        FOUR,
        partial(moments.run, name="moments"),
        moments.draw,
    ),
    "glow": _likelihood(
        "glow",
        "Glow",
        "Does a Glow find strange images less likely than images like those it learned?",
        "glow",
        PARADOX,
    ),
    "reversed": _likelihood(
        "reversed",
        "The other direction",
        "And a Glow that learned the simpler set of each pair?",
        "glow",
        REVERSED,
    ),
    "vae": _likelihood("vae", "VAE", "Is it the flow's fault? A VAE, by its lower bound on log p(x).", "vae", PARADOX),
    "pixelcnn": _likelihood("pixelcnn", "PixelCNN", "And a PixelCNN, exact and with no volume?", "pixelcnn", PARADOX),
    "terms": Experiment(
        "log p(z) and the volume apart",
        "Which of the two terms of the change of variables prefers the other set?",
        FOUR,
        partial(paradox.terms, name="terms", pairs=PARADOX),
        paradox.draw_terms,
    ),
    "constant_volume": _likelihood(
        "constant_volume",
        "Constant volume",
        "A Glow with additive couplings, whose volume is the same for every image: is the paradox gone?",
        "cv_glow",
        PARADOX,
    ),
    "iterations": Experiment(
        "Likelihood against training",
        "Is there a moment of the training at which the likelihood tells the other set?",
        FOUR,
        partial(iterations.run, name="iterations", pairs=PARADOX),
        iterations.draw,
    ),
    "changed": Experiment(
        "Grey images, less contrast, no detail",
        "What does a model say of its own test images once their contrast, their colour or all detail is taken away?",
        changed.DATA,
        partial(changed.run, name="changed"),
        changed.draw,
    ),
    "second_order": Experiment(
        "The second-order analysis",
        "Do the variances of two sets predict which of them a constant-volume Glow finds more likely?",
        (*FOUR, "letters"),
        partial(second_order.run, name="second_order"),
        second_order.draw,
    ),
    "set_by_hand": Experiment(
        "A variance set by hand",
        "And where nothing but the variance differs: does the likelihood lie on the predicted curve?",
        (),
        partial(set_by_hand.run, name="set_by_hand"),
        set_by_hand.draw,
    ),
    "ensemble": Experiment(
        "An ensemble",
        "Is the paradox an accident of one training?",
        FOUR,
        partial(detection.ensemble, name="ensemble", pairs=PARADOX),
        detection.nothing,
    ),
    "detection": Experiment(
        "Detecting it after all",
        "Typicality, input complexity, WAIC of the ensemble, outlier exposure: which of them tells the other set?",
        (*FOUR, "letters"),
        partial(detection.run, name="detection", pairs=PARADOX),
        detection.draw,
    ),
    "ratio": Experiment(
        "The likelihood ratio",
        "Does the ratio with a background model, small or trained on mutated images, tell the other set?",
        (*FOUR, "letters"),
        partial(ratio.run, name="ratio"),
        detection.draw,
    ),
    "classifier": Experiment(
        "Confident classifiers",
        "How sure is a classifier of digits of digits that are turned?",
        ("mnist",),
        partial(classifier.run, name="classifier"),
        classifier.draw,
    ),
    "other_pairs": _likelihood(
        "other_pairs",
        "The paper's other pairs",
        "CelebA against SVHN, and ImageNet against three.",
        "glow",
        OTHER_PAIRS,
    ),
}
