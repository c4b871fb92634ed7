from benchmark.results.metric_keys import key_of


def test_a_key_has_no_dots_but_those_of_the_path() -> None:
    assert key_of("pgd@4", "l2", "median") == "attack/pgd@4/l2/median"
    assert key_of("pgd@0.5", "step") == "attack/pgd@0_5/step"
    assert key_of("asma", prefix="val_attack") == "val_attack/asma"
