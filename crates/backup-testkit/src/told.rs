use backup_core::{Event, Observer};
use std::sync::{Mutex, PoisonError};

/// An observer that remembers what it was told.
#[derive(Debug, Default)]
pub struct Told(Mutex<Vec<Event>>);

impl Told {
    /// All events so far, in their order.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The texts of the warnings among them.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |event| if let Event::Warning(text) = event { Some(text) } else { None };
        self.events().into_iter().filter_map(warning).collect()
    }
}

impl Observer for Told {
    fn event(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}
