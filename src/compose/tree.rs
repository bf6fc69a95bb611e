//! Variants by the way readers steer the templates: a fork at each steering expression, a branch for each outcome.

use std::sync::Arc;

use super::trace::Outcome;
use super::variant::{Key, Variant};

/// A persistent tree: adding a variant makes a new root and shares the rest.
#[derive(Debug, Clone, Default)]
pub(super) enum Tree {
    #[default]
    Empty,
    Leaf(Arc<Variant>),
    Fork(Arc<Fork>),
}

/// A steering expression and where its outcomes lead.
#[derive(Debug)]
pub(super) struct Fork {
    key: Arc<Key>,
    branches: Vec<(Outcome, Tree)>,
}

/// What a search came to.
#[derive(Debug)]
pub(super) enum Search {
    Found(Arc<Variant>),
    /// Nobody like this reader came before.
    Missing,
    /// An expression cannot be evaluated here.
    Odd,
}

impl Tree {
    /// The variant for a reader, whose outcomes `evaluate` tells.
    pub(super) fn find(&self, mut evaluate: impl FnMut(&Key) -> Option<Outcome>) -> Search {
        let mut tree = self;
        loop {
            match tree {
                Self::Empty => return Search::Missing,
                Self::Leaf(variant) => return Search::Found(Arc::clone(variant)),
                Self::Fork(fork) => {
                    let Some(outcome) = evaluate(&fork.key) else { return Search::Odd };
                    match fork.branches.iter().find(|(known, _)| *known == outcome) {
                        Some((_, branch)) => tree = branch,
                        None => return Search::Missing,
                    }
                }
            }
        }
    }

    /// This tree with `variant` at the end of `way`; nothing when the way does not fit the tree.
    pub(super) fn with(&self, way: &[(Arc<Key>, Outcome)], variant: Arc<Variant>) -> Option<Self> {
        let Some(((key, outcome), rest)) = way.split_first() else {
            return matches!(self, Self::Empty).then_some(Self::Leaf(variant));
        };
        let mut branches = match self {
            Self::Empty => Vec::new(),
            Self::Fork(fork) if fork.key.same_as(key) => fork.branches.clone(),
            _ => return None,
        };
        match branches.iter_mut().find(|(known, _)| known == outcome) {
            Some((_, branch)) => *branch = branch.with(rest, variant)?,
            None => branches.push((outcome.clone(), Self::Empty.with(rest, variant)?)),
        }
        let key = match self {
            Self::Fork(fork) => Arc::clone(&fork.key),
            _ => Arc::clone(key),
        };
        Some(Self::Fork(Arc::new(Fork { key, branches })))
    }
}
