"""Stake and governance against a network of real programs."""

from __future__ import annotations

from decimal import Decimal

import pytest

import ciro


@pytest.fixture(scope="module")
def client(home) -> ciro.Client:
    return ciro.Client(account="bob", home=home)


@pytest.fixture(scope="module")
def operator(home) -> ciro.Client:
    return ciro.Client(account="validator0", home=home)


def test_all_money_is_somewhere(client):
    assert sum(client.supply().values()) == 10**9
    assert client.parameters()["treasury_bps"] == 1_000


def test_stake_comes_and_leaves(client, operator):
    (validator,) = client.validators()
    assert validator.operator == operator.address and validator.counted and not validator.jailed
    before = client.balance()
    sent = client.delegate(validator.id, "30.5")
    assert client.balance() == before - Decimal("30.5") - sent.fee
    assert [(it.validator, it.amount) for it in client.stake().holdings] == [(0, Decimal("30.5"))]
    assert client.stake(client.address) == client.stake()
    client.undelegate(validator.id, 10)
    client.undelegate(validator.id)
    stake = client.stake()
    assert stake.holdings == [] and [it.amount for it in stake.leaving] == [10, Decimal("20.5")]
    assert all(it.to is None and 0 < it.seconds <= 120 for it in stake.leaving)
    with pytest.raises(ciro.NetworkError) as refused:
        client.undelegate(validator.id, 1)
    assert refused.value.code == "not_delegated" and refused.value.hint
    with pytest.raises(ciro.NetworkError) as refused:
        client.claim_rewards(7)
    assert refused.value.code == "validator_unknown"
    with pytest.raises(TypeError, match="money is exact"):
        client.delegate(0, 0.5)


def test_a_proposal_is_made_and_voted_on(client, operator):
    made = client.propose_parameters("longer votes", {"governance.voting_ms": 600_000, "governance.deposit": "50"})
    assert made.status == "voting" and made.action["params"]["governance"]["deposit"] == "50"
    operator.vote(made.id, "yes", 0)
    found = next(it for it in client.proposals() if it.id == made.id)
    assert found.votes.yes == found.votes.stake > 0 and found.title == "longer votes"
    client.delegate(0, 5)
    with pytest.raises(ciro.NetworkError) as late:
        client.vote(made.id, "no", 0)
    assert late.value.code == "stake_too_late"
    spend = client.propose_spend("a payment", client.address, "1.5")
    assert spend.action == {"action": "spend", "to": client.address, "amount": "1.5"}
    with pytest.raises(ValueError, match="there is no parameter `governance.pause`"):
        client.propose_parameters("a pause", {"governance.pause": 1})
    with pytest.raises(ciro.NetworkError) as unsound:
        client.propose_parameters("all of it", {"treasury_bps": 10_001})
    assert unsound.value.code == "proposal_unsound"
    launch = client.propose_launch("a project", client.address, ["1.5", 2], seconds=86_400)
    assert launch.action["milestones"] == ["1.5", "2"] and launch.action["lasts_ms"] == 86_400_000
    assert client.launches() == []


def test_what_is_not_due_is_refused(client, tmp_path):
    for act, code in [
        (lambda: client.claim_grant(0), "grant_unknown"),
        (lambda: client.set_commission(600), "not_operator"),
        (client.unjail_validator, "not_operator"),
        (lambda: client.propose_launch("nothing", client.address, [], seconds=86_400), "launch_range"),
        (lambda: client.propose_milestone("too early", 0, 0), "launch_unknown"),
        (lambda: client.propose_end("too early", 0), "launch_unknown"),
        (lambda: client.redelegate(0, 0, 1), "same_validator"),
    ]:
        with pytest.raises(ciro.NetworkError) as refused:
            act()
        assert refused.value.code == code, refused.value
    (tmp_path / "shares.json").write_text("[]")
    with pytest.raises(ciro.NetworkError, match="no airdrop"):
        client.claim_airdrop(tmp_path / "shares.json", 0)
    (tmp_path / "node.key").write_text("0x12")
    (tmp_path / "node.key").chmod(0o600)
    with pytest.raises(ciro.CiroError, match="does not hold"):
        client.register_validator(tmp_path / "node.key", 10_000)
