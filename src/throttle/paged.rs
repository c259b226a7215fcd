//! A table of a fixed length whose memory is allocated as it is used.

/// Entries in pages that are allocated when one of their entries is first changed; until then each entry is
/// `T::default()`.
pub(super) struct Paged<T> {
    pages: Vec<Option<Box<[T; PAGE]>>>,
    len: usize,
    blank: T,
}

/// Entries a page.
const PAGE: usize = 32;

impl<T: Copy + Default> Paged<T> {
    /// A table of `len` entries, at least one.
    pub(super) fn new(len: usize) -> Self {
        let len = len.max(1);
        let pages = std::iter::repeat_with(|| None).take(len.div_ceil(PAGE)).collect();
        Self { pages, len, blank: T::default() }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The entry at this index; `None` beyond the end.
    pub(super) fn get(&self, at: usize) -> Option<&T> {
        let (page, place) = self.split(at)?;
        Some(self.pages.get(page)?.as_ref().and_then(|page| page.get(place)).unwrap_or(&self.blank))
    }

    /// The entry for changing, which allocates its page; `None` beyond the end.
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let (page, place) = self.split(at)?;
        self.pages.get_mut(page)?.get_or_insert_with(|| Box::new([T::default(); PAGE])).get_mut(place)
    }

    /// The entry for changing, if its page is allocated.
    pub(super) fn known_mut(&mut self, at: usize) -> Option<&mut T> {
        let (page, place) = self.split(at)?;
        self.pages.get_mut(page)?.as_mut()?.get_mut(place)
    }

    /// All entries of allocated pages.
    #[cfg(test)]
    pub(super) fn known(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten().flat_map(|page| page.iter())
    }

    fn split(&self, at: usize) -> Option<(usize, usize)> {
        (at < self.len).then_some(())?;
        Some((at.checked_div(PAGE)?, at.checked_rem(PAGE)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_table_and_takes_memory_only_where_it_is_changed() {
        let mut table = Paged::<u8>::new(100);
        assert_eq!((table.get(99), table.get(100)), (Some(&0), None));
        assert!(table.get_mut(100).is_none());
        assert!(table.known_mut(99).is_none() && table.known().next().is_none());
        *table.get_mut(99).unwrap() = 7;
        *table.get_mut(0).unwrap() = 1;
        assert_eq!([0, 1, 40, 98, 99].map(|at| table.get(at).copied()), [1, 0, 0, 0, 7].map(Some));
        *table.known_mut(99).unwrap() = 8;
        assert_eq!((table.get(99), table.known().count()), (Some(&8), 2 * PAGE));
        assert!(table.known_mut(40).is_none());
        assert_eq!(Paged::<u8>::new(0).len(), 1);
    }
}
