//! A value that is shared with snapshots of it, and copied when it is written to.

use std::ops::Deref;
use std::sync::Arc;

/// A value that is nobody else's until [`share`](Self::share) is called: until then, writing to it costs no atomic operation, and no
/// access to a count that lies apart from it. A clone of one that was shared shares it too; any other is a copy.
#[derive(Debug, Clone)]
pub struct CopyOnWrite<V>(State<V>);

#[derive(Debug, Clone)]
enum State<V> {
    Own(V),
    Shared(Arc<V>),
}

impl<V: Clone + Default> CopyOnWrite<V> {
    /// The value as it is now; each of the two copies it when it is written to while the other has it.
    #[must_use]
    pub fn share(&mut self) -> Self {
        let value = match &mut self.0 {
            State::Own(value) => Arc::new(std::mem::take(value)),
            State::Shared(value) => Arc::clone(value),
        };
        self.0 = State::Shared(Arc::clone(&value));
        Self(State::Shared(value))
    }

    /// The value for writing: taken back if nobody else has it any more, else copied.
    pub fn to_mut(&mut self) -> &mut V {
        if let State::Shared(value) = &mut self.0 {
            self.0 = State::Own(Arc::unwrap_or_clone(std::mem::take(value)));
        }
        match &mut self.0 {
            State::Own(value) => value,
            State::Shared(value) => Arc::make_mut(value),
        }
    }

    /// The value itself; `None` if a snapshot has it too.
    #[must_use]
    pub fn into_inner(self) -> Option<V> {
        match self.0 {
            State::Own(value) => Some(value),
            State::Shared(value) => Arc::into_inner(value),
        }
    }
}

impl<V> From<V> for CopyOnWrite<V> {
    fn from(value: V) -> Self {
        Self(State::Own(value))
    }
}

impl<V> Deref for CopyOnWrite<V> {
    type Target = V;

    fn deref(&self) -> &V {
        match &self.0 {
            State::Own(value) => value,
            State::Shared(value) => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_copied_only_while_a_snapshot_has_it() {
        let place = |value: &CopyOnWrite<Vec<u32>>| value.as_ptr();
        let mut value = CopyOnWrite::from(vec![1]);
        let own = place(&value);
        let snapshot = value.share();
        assert_eq!((place(&value), place(&snapshot)), (own, own));
        value.to_mut()[0] = 2;
        assert_eq!((value.as_slice(), snapshot.as_slice(), place(&snapshot)), (&[2][..], &[1][..], own));

        let own = place(&value);
        drop(value.share());
        value.to_mut()[0] = 3;
        assert_eq!((value.as_slice(), place(&value)), (&[3][..], own), "taken back");
    }

    #[test]
    fn it_is_given_away_only_by_its_last_owner() {
        let mut value = CopyOnWrite::from(vec![1]);
        let snapshot = value.share();
        assert_eq!(value.into_inner(), None);
        assert_eq!(snapshot.into_inner(), Some(vec![1]));
    }
}
