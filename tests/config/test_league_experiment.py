"""The experiment league has every attack of conf/attack that looks for the smallest L2 or Linf norm."""

from hydra import compose, initialize_config_dir

from benchmark.config.build import build_plan
from benchmark.config.groups import conf_folder, names
from benchmark.config.resolvers import register_resolvers

LEFT_OUT = {
    "asma_published": "the paper's 2501 steps and last iterate, which limited passes would not give",
    "asma_published_static": "the same on a static mask",
    "asma_static": "an ablation, see the experiment asma_ablation",
    "asma_static_mask": "an ablation",
    "asma_static_multiplier": "an ablation",
    "pdpgd_l1": "the only one that keeps L1 small",
}


def test_it_has_all_attacks_without_a_budget() -> None:
    register_resolvers("stamp")
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        every = build_plan(compose("config", [f"attack=[{','.join(names('attack'))}]"])).attacks
        plan = build_plan(compose("config", ["experiment=league"]))
    without_budget = {name for name, attack in every.items() if attack.rule.eps is None}
    assert without_budget >= set(LEFT_OUT)
    assert set(plan.attacks) == without_budget - set(LEFT_OUT)
    assert plan.engine["max_passes"] == 300
