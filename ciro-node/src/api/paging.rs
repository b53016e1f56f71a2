//! Lists that are answered page by page.

use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use ciro_protocol::api::Page;
use serde::Deserialize;

use super::reply::ApiError;
use super::request::{limit, name};

/// `?after=…&limit=…`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    after: Option<String>,
    limit: Option<usize>,
}

impl Paging {
    /// Reads after which name a page begins, and how many items it has at most.
    pub(super) fn read<T: FromStr>(&self) -> Result<(Option<T>, usize), ApiError>
    where
        T::Err: Display,
    {
        let after = self.after.as_deref().map(|after| name("after", after)).transpose()?;
        Ok((after, limit(self.limit)?))
    }
}

/// Answers a page. More may follow if it is full, after the name of its last item.
pub(super) fn page<T, N: Display>(
    items: Vec<T>,
    limit: usize,
    name: impl Fn(&T) -> N,
) -> Json<Page<T>> {
    let last = items.last().filter(|_| items.len() == limit);
    let next = last.map(|last| name(last).to_string());
    Json(Page { items, next })
}
