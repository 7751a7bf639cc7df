//! Works through a list on several threads; results come in the order of the list.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Called with the number of items that are done and of all; from any thread.
pub type Progress<'p> = &'p (dyn Fn(usize, usize) + Sync);

/// Applies `work` to every item.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    progress: Progress<'_>,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let worker = || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return results };
            results.push((index, work(item)));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, items.len());
        }
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.clamp(1, items.len().max(1))).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// As many threads as there are cores.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_and_progress_reaches_the_end() {
        let items: Vec<u32> = (0..1_000).collect();
        let last = AtomicUsize::new(0);
        let doubled = map(&items, 4, &|done, all| assert!(last.fetch_max(done, Ordering::Relaxed) <= all), |n| n * 2);
        assert_eq!(doubled, items.iter().map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(last.into_inner(), 1_000);
        assert!(map(&[0; 0], 4, &|_, _| {}, |n| *n).is_empty());
    }
}
