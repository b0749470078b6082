//! What an operator of two inputs takes of each of them, and what it adds to the first.

use crate::catalog::dag::{Added, ArrowUdf, Kind, On, Scan};
use crate::engine::failure::Failure;

/// Names of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// By these columns rows of both sides belong together, pair by pair.
    pub left_keys: Vec<String>,
    pub right_keys: Vec<String>,
    /// All that is taken, keys included.
    pub left: Vec<String>,
    pub right: Vec<String>,
    pub adds: Vec<String>,
}

impl Sides {
    pub fn of(does: &Kind, right: &Scan) -> Result<Self, Failure> {
        let mut sides = match does {
            Kind::Join(join) => Self::on(&join.on).adding(&join.columns),
            Kind::PitJoin(join) => {
                let sides = Self::on(&join.on).adding(&join.columns);
                sides.taking([&join.left_time.name], join.available_at.iter().map(|time| &time.name))
            }
            Kind::RollingAggregate(what) => {
                let adds = what.windows.iter().map(|window| window.name.clone()).collect();
                let known = what.available_at.iter().map(|time| &time.name);
                Self { adds, ..Self::on(&what.on).taking([&what.left_time.name], what.column.iter().chain(known)) }
            }
            Kind::ArrowUdf(ArrowUdf::Sessions { column, likes, .. }) => {
                let on = [On { left: column.clone(), right: column.clone() }];
                Self::on(&on).taking([], &likes.columns().into_iter().collect::<Vec<_>>())
            }
            does => return Err(Failure::permanent(format!("a {} cannot run here on two inputs", does.name()))),
        };
        // What puts the right rows in order.
        let order = right.time.iter().map(|time| &time.name).chain(&right.created);
        order.for_each(|name| add(&mut sides.right, name));
        Ok(sides)
    }

    fn on(on: &[On]) -> Self {
        let left_keys: Vec<String> = on.iter().map(|on| on.left.clone()).collect();
        let right_keys: Vec<String> = on.iter().map(|on| on.right.clone()).collect();
        let (mut left, mut right) = (vec![], vec![]);
        left_keys.iter().for_each(|name| add(&mut left, name));
        right_keys.iter().for_each(|name| add(&mut right, name));
        Self { left, right, left_keys, right_keys, adds: vec![] }
    }

    fn adding(mut self, columns: &[Added]) -> Self {
        columns.iter().for_each(|added| add(&mut self.right, &added.from));
        Self { adds: columns.iter().map(|added| added.name.clone()).collect(), ..self }
    }

    fn taking<'n>(mut self, left: impl IntoIterator<Item = &'n String>, right: impl IntoIterator<Item = &'n String>) -> Self {
        left.into_iter().for_each(|name| add(&mut self.left, name));
        right.into_iter().for_each(|name| add(&mut self.right, name));
        self
    }
}

/// Each name once.
pub fn add(names: &mut Vec<String>, name: &String) {
    if !names.contains(name) {
        names.push(name.clone());
    }
}
