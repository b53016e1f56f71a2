//! Money, models and providers of the naive model.

use std::collections::BTreeSet;

use ciro_protocol::event::Purse;
use ciro_protocol::id::{ModelId, ProviderId};
use ciro_protocol::order::Class;
use ciro_protocol::provider::DirectKeys;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::Body;

use super::{Alarm, Direct, Model, Naive, Provider, Result};

impl Naive {
    pub(super) fn perform_other(&mut self, by: Address, body: &Body) -> Result {
        let account = Purse::Account(by);
        match body {
            Body::Transfer(body) if body.amount.is_zero() => Err(Refusal::ZeroAmount),
            Body::Transfer(body) => {
                self.give(account, Purse::Account(body.to), body.amount.units())
            }
            Body::Faucet => self.faucet(by),
            Body::RegisterModel(body) => self.register_model(by, body),
            Body::UpdateModel(body) => {
                let now = self.now;
                let model = self.own(body.model, by)?;
                let before = model.listed_at(now);
                let after: Vec<u32> = body.listing.providers.iter().map(|it| it.0).collect();
                let may = |listed: &[u32], one| listed.is_empty() || listed.contains(&one);
                let out = |one: u32| may(&before, one) && !may(&after, one);
                // Number 99 stands for whoever is on no list.
                (model.listed, model.next) = if before.iter().copied().chain([99]).any(out) {
                    (before, Some((now, after)))
                } else {
                    (after, None)
                };
                Ok(())
            }
            Body::RetireModel(body) => {
                self.own(body.model, by)?.retired = true;
                let purse = Purse::Deposit(body.model);
                self.give(purse, account, self.has(purse))
            }
            other => self.perform_provider(by, other),
        }
    }

    pub(super) fn perform_provider(&mut self, by: Address, body: &Body) -> Result {
        let account = Purse::Account(by);
        let mine = self.providers.iter().position(|it| it.account == by);
        let mine = mine.ok_or(Refusal::ProviderUnknown);
        match body {
            Body::RegisterProvider(body) => {
                if mine.is_ok() {
                    return Err(Refusal::ProviderExists);
                }
                self.register_provider(by, body)
            }
            Body::SetAsks(body) => {
                let mine = mine?;
                asks_fit(&body.asks)?;
                let prices = body.asks.prices.iter();
                self.providers[mine].classes =
                    prices.map(|it| (it.class, it.price.units())).collect();
                self.providers[mine].capacity = body.asks.capacity;
                self.providers[mine].direct = direct(&body.asks);
                Ok(())
            }
            Body::AddBond(body) => {
                let id = ProviderId(u32::try_from(mine?).unwrap());
                if body.amount.is_zero() {
                    return Err(Refusal::ZeroAmount);
                }
                self.give(account, Purse::Bond(id), body.amount.units())
            }
            Body::Unbond(body) => {
                let (mine, amount) = (mine?, body.amount.units());
                let id = ProviderId(u32::try_from(mine).unwrap());
                if amount == 0 {
                    return Err(Refusal::ZeroAmount);
                }
                if self.providers[mine].jail.is_some() {
                    return Err(Refusal::ProviderJailed);
                }
                if self.jobs.values().any(|job| job.holder() == Some(id.0)) {
                    return Err(Refusal::ProviderHolds);
                }
                let free = self.give(Purse::Bond(id), Purse::Unbonding(id), amount);
                free.map_err(|_| Refusal::BondLocked)?;
                let at = self.now + self.spec.time.unbonding_ms;
                self.alarm(at, Alarm::Free(id.0, amount));
                Ok(())
            }
            Body::Unjail => {
                let provider = &mut self.providers[mine?];
                let until = provider.jail.ok_or(Refusal::NotJailed)?;
                if self.now < until {
                    return Err(Refusal::JailNotOver);
                }
                provider.jail = None;
                Ok(())
            }
            _ => unreachable!("bodies about jobs are handled before"),
        }
    }

    pub(super) fn register_provider(
        &mut self,
        by: Address,
        body: &ciro_protocol::tx::RegisterProvider,
    ) -> Result {
        asks_fit(&body.asks)?;
        if body.bond < self.spec.providers.bond_min {
            return Err(Refusal::BondTooSmall);
        }
        let id = ProviderId(u32::try_from(self.providers.len()).unwrap());
        self.give(Purse::Account(by), Purse::Bond(id), body.bond.units())?;
        let prices = body.asks.prices.iter();
        self.providers.push(Provider {
            account: by,
            memory: body.profile.memory_mb,
            region: body.profile.region.code(),
            classes: prices.map(|it| (it.class, it.price.units())).collect(),
            capacity: body.asks.capacity,
            direct: direct(&body.asks),
            strikes: Vec::new(),
            jail: None,
            settled: 0,
            lost: 0,
        });
        Ok(())
    }

    pub(super) fn faucet(&mut self, by: Address) -> Result {
        let faucet = self.spec.faucet.ok_or(Refusal::FaucetClosed)?;
        if self.takers.contains(&by) {
            return Err(Refusal::FaucetTaken);
        }
        let gift = faucet.per_account.units();
        let today = self.given.entry(self.now / 86_400_000).or_default();
        if *today + gift > faucet.per_day.units() {
            return Err(Refusal::FaucetDry);
        }
        *today += gift;
        self.takers.insert(by);
        self.give(Purse::Faucet, Purse::Account(by), gift).map_err(|_| Refusal::FaucetDry)
    }

    pub(super) fn register_model(
        &mut self,
        by: Address,
        body: &ciro_protocol::tx::RegisterModel,
    ) -> Result {
        let card = &body.card;
        let distinct: BTreeSet<_> = card.keys.iter().map(|key| key.facts.digest).collect();
        let tensor = ciro_protocol::order::Route::Tensor;
        match () {
            () if card.owner != by => Err(Refusal::NotOwner),
            () if distinct.is_empty() || distinct.len() < card.keys.len() => Err(Refusal::NoKeys),
            () if card.keys.iter().any(|key| key.facts.route != tensor) => {
                Err(Refusal::RouteClosed)
            }
            () if card.bytes > 4 << 20 => Err(Refusal::ModelTooLarge),
            () if self.models.contains_key(&card.id()) => Err(Refusal::ModelExists),
            () => {
                let mib = u128::from(card.bytes).div_ceil(1 << 20);
                self.give(Purse::Account(by), Purse::Deposit(card.id()), 1_000 * mib)?;
                let keys = card.keys.iter().map(|key| {
                    let facts = key.facts;
                    (facts.digest.0, facts.bits, facts.proven_bits, Class::Xs)
                });
                let keys = keys.collect();
                let listed = body.listing.providers.iter().map(|it| it.0).collect();
                let model = Model { owner: by, keys, listed, next: None, retired: false };
                self.models.insert(card.id(), model);
                Ok(())
            }
        }
    }

    pub(super) fn own(
        &mut self,
        id: ModelId,
        by: Address,
    ) -> std::result::Result<&mut Model, Refusal> {
        let model = self.models.get_mut(&id).ok_or(Refusal::ModelUnknown)?;
        if model.owner != by {
            return Err(Refusal::NotOwner);
        }
        if model.retired { Err(Refusal::ModelRetired) } else { Ok(model) }
    }
}

fn direct(asks: &ciro_protocol::provider::Asks) -> Option<Direct> {
    let terms = asks.direct.as_ref()?;
    let keys = match &terms.keys {
        DirectKeys::Any => None,
        DirectKeys::Listed(keys) => Some(keys.iter().map(|key| key.0).collect()),
    };
    let (collateral, lease) = (terms.collateral_max.units(), terms.lease_min_ms);
    Some(Direct { keys, collateral, lease, bytes: terms.input_bytes_max })
}

fn asks_fit(asks: &ciro_protocol::provider::Asks) -> Result {
    let listed: Vec<Class> = asks.prices.iter().map(|ask| ask.class).collect();
    let distinct: BTreeSet<Class> = listed.iter().copied().collect();
    let fit = distinct.iter().eq(listed.iter()) && asks.capacity <= 4;
    if fit { Ok(()) } else { Err(Refusal::AsksRange) }
}
