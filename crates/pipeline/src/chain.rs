//! Chains: every event that a stage appends names the one of the same producer that it appended before.
//!
//! Whoever reads the stream can tell what was lost there from what was left out on purpose: an event that
//! was dropped, or that belongs on another track, is in no chain.

use parapet_event::Origin;
use parapet_ports::SharedEvent;
use std::collections::{HashMap, VecDeque};
use ulid::Ulid;

/// Producers remembered. The chain of one that is forgotten begins anew.
const PRODUCERS_MAX: usize = 4096;

type Producer = (Ulid, u16);

/// The end of the chain of each producer.
#[derive(Default)]
pub(crate) struct Chain {
    last: HashMap<Producer, u64>,
    order: VecDeque<Producer>,
}

impl Chain {
    /// Links the events of a batch to each other and to what was appended before.
    pub(crate) fn link(&self, events: &mut [SharedEvent]) {
        let mut batch: HashMap<Producer, u64> = HashMap::new();
        for event in events {
            let origin = &mut event.make_mut().origin;
            let producer = producer(origin);
            let before = batch.insert(producer, origin.sequence);
            origin.previous = before.or_else(|| self.last.get(&producer).copied());
        }
    }

    /// The batch was appended.
    pub(crate) fn appended(&mut self, events: &[SharedEvent]) {
        for event in events {
            let producer = producer(&event.origin);
            if self.last.insert(producer, event.origin.sequence).is_some() {
                continue;
            }
            if self.order.len() >= PRODUCERS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.last.remove(&oldest);
            }
            self.order.push_back(producer);
        }
    }
}

fn producer(origin: &Origin) -> Producer {
    (origin.instance, origin.worker)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn batch(numbers: &[(u16, u64)]) -> Vec<SharedEvent> {
        let event = |&(worker, sequence): &(u16, u64)| {
            let mut event = example::event(sequence);
            event.origin.worker = worker;
            SharedEvent::new(event)
        };
        numbers.iter().map(event).collect()
    }

    fn links(events: &[SharedEvent]) -> Vec<Option<u64>> {
        events.iter().map(|event| event.origin.previous).collect()
    }

    #[test]
    fn each_event_names_the_one_before_it_of_its_worker() {
        let mut chain = Chain::default();
        let mut first = batch(&[(0, 1), (1, 1), (0, 2)]);
        chain.link(&mut first);
        assert_eq!(links(&first), [None, None, Some(1)]);
        chain.appended(&first);
        let mut second = batch(&[(0, 9), (1, 2)]);
        chain.link(&mut second);
        assert_eq!(links(&second), [Some(2), Some(1)], "3 to 8 were dropped on purpose");
    }

    #[test]
    fn what_was_not_appended_is_in_no_chain() {
        let mut chain = Chain::default();
        chain.appended(&batch(&[(0, 1)]));
        let mut refused = batch(&[(0, 2)]);
        chain.link(&mut refused);
        let mut next = batch(&[(0, 3)]);
        chain.link(&mut next);
        assert_eq!(links(&next), [Some(1)]);
    }

    #[test]
    fn the_oldest_producers_are_forgotten() {
        let mut chain = Chain::default();
        for number in 0..=PRODUCERS_MAX {
            let mut events = batch(&[(0, 1)]);
            events[0].make_mut().origin.instance = Ulid::from_parts(number as u64, 0);
            chain.appended(&events);
        }
        assert_eq!((chain.last.len(), chain.order.len()), (PRODUCERS_MAX, PRODUCERS_MAX));
    }
}
