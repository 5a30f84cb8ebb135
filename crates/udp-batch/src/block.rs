//! Memory that does not move and that only raw pointers own.

#![expect(unsafe_code, reason = "owns its items by a raw pointer")]

use std::ptr::NonNull;

/// A fixed number of `T` on the heap, to which other structures may keep pointers.
///
/// A `Box<[T]>` would not do: to use a box, or only to move it, is to claim that nobody else has
/// a pointer into it. Here the raw pointer is the owner. References are made from it for the
/// length of a call, and the pointers that [`pointer`](Self::pointer) gives stay valid beside
/// them until the block is dropped.
pub(crate) struct Block<T> {
    items: NonNull<[T]>,
}

impl<T> Block<T> {
    /// Moves `items` to where they will stay.
    pub(crate) fn new(items: Vec<T>) -> Self {
        Self {
            items: NonNull::from(Box::leak(items.into_boxed_slice())),
        }
    }

    /// The items, to be read.
    pub(crate) fn items(&self) -> &[T] {
        // SAFETY: `items` came from `Box::leak` and is freed by `drop` alone. `&self` keeps
        // `items_mut` from being called meanwhile, and whoever writes through `pointer` needs
        // the owner of this block mutably (see `pointer`).
        unsafe { self.items.as_ref() }
    }

    /// The items, to be changed.
    pub(crate) fn items_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `items`, and `&mut self` makes this the only reference.
        unsafe { self.items.as_mut() }
    }

    /// The address of item `index`, valid as long as the block lives.
    ///
    /// To get it is safe; to use it is not. It must not be used while a reference from `items` or
    /// `items_mut` lives: the only user, the kernel in `Memory`'s calls, is let in by
    /// `&mut Memory`, which owns the blocks.
    ///
    /// # Panics
    /// When there is no such item.
    pub(crate) fn pointer(&self, index: usize) -> *mut T {
        assert!(
            index < self.items.len(),
            "item {index} of a block of {}",
            self.items.len()
        );
        self.items.as_ptr().cast::<T>().wrapping_add(index)
    }
}

impl<T> Drop for Block<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a box in `new`, is freed only here, and no reference
        // outlives the block.
        drop(unsafe { Box::from_raw(self.items.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, the kernel is given addresses that are not those of the items.
    #[test]
    fn pointers_are_those_of_the_items_wherever_the_block_is_moved() {
        let block = Block::new(vec![1_u8, 2, 3]);
        let before = block.pointer(2);
        let mut moved = Box::new(block);
        assert_eq!(before, moved.pointer(2));
        assert_eq!(before.cast_const(), &raw const moved.items()[2]);
        moved.items_mut()[2] = 9;
        assert_eq!(moved.items(), [1, 2, 9]);
    }

    /// If this fails, items of a dropped batch are leaked or freed twice.
    #[test]
    fn drops_its_items_once() {
        let item = std::sync::Arc::new(());
        drop(Block::new(vec![item.clone(), item.clone()]));
        assert_eq!(std::sync::Arc::strong_count(&item), 1);
    }
}
