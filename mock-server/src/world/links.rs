//! Links between records, kept from both ends. A link to a record in the bin stays and comes back with it; who reads
//! must leave out the dead ends.

use std::collections::HashMap;

use super::kind::{Kind, Ref};

#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    pub to: Ref,
    /// The main contact of a lead or customer.
    pub main: bool,
    pub element: Option<Box<ElementLink>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ElementLink {
    pub quantity: f64,
    pub catalog: u64,
    pub price_id: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Links {
    edges: HashMap<Ref, Vec<Edge>>,
}

impl Links {
    pub fn of(&self, end: Ref) -> &[Edge] {
        self.edges.get(&end).map_or(&[], Vec::as_slice)
    }

    pub fn linked(&self, end: Ref, kind: Kind) -> impl Iterator<Item = &Edge> {
        self.of(end).iter().filter(move |edge| edge.to.kind == kind)
    }

    /// The existing edge as seen from `from`. A popular product hangs on thousands of leads, so the shorter list is
    /// searched first.
    fn holds(&self, from: Ref, to: Ref) -> bool {
        let (near, far) = if self.of(from).len() <= self.of(to).len() { (from, to) } else { (to, from) };
        self.of(near).iter().any(|edge| edge.to == far)
    }

    /// Links two records, or changes what is said of their link. Says whether the link is new.
    pub fn link(&mut self, from: Ref, to: Ref, main: bool, element: Option<ElementLink>) -> bool {
        let element = element.map(Box::new);
        let new = !self.holds(from, to);
        for (near, far) in [(from, to), (to, from)] {
            let edges = self.edges.entry(near).or_default();
            if new {
                edges.push(Edge { to: far, main, element: element.clone() });
            } else if let Some(edge) = edges.iter_mut().find(|edge| edge.to == far) {
                edge.main = main;
                edge.element.clone_from(&element);
            }
        }
        new
    }

    pub fn unlink(&mut self, from: Ref, to: Ref) -> bool {
        if !self.holds(from, to) {
            return false;
        }
        for (near, far) in [(from, to), (to, from)] {
            if let Some(edges) = self.edges.get_mut(&near) {
                edges.retain(|edge| edge.to != far);
            }
        }
        true
    }

    /// Says of the link between these two whether it is the main one, from both ends.
    pub fn set_main(&mut self, from: Ref, to: Ref, main: bool) {
        for (near, far) in [(from, to), (to, from)] {
            if let Some(edge) = self.edges.get_mut(&near).and_then(|edges| edges.iter_mut().find(|e| e.to == far)) {
                edge.main = main;
            }
        }
    }

    /// Forgets every link of a record that is gone for good.
    pub fn forget(&mut self, end: Ref) {
        for edge in self.edges.remove(&end).unwrap_or_default() {
            if let Some(edges) = self.edges.get_mut(&edge.to) {
                edges.retain(|back| back.to != end);
            }
        }
    }

    /// How many links there are, each counted once.
    pub fn len(&self) -> usize {
        self.edges.values().map(Vec::len).sum::<usize>() / 2
    }
}
