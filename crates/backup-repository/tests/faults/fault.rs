//! What goes wrong, and when.

use backup_core::ErrorKind;
use backup_testkit::storage::{Call, FaultPlan, Method, Moment};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// A call fails.
    Unavailable,
    /// A delete is refused.
    Refused,
    /// There is no space for what is written.
    Full,
    /// From some call on there is no space.
    FullForGood,
    /// A call has its effect, and its answer is an error; a stream breaks off in the middle.
    AnswerLost,
    /// From some call on nothing works: for the storage, the client has died.
    Gone,
}

impl Fault {
    pub const ALL: [Fault; 6] =
        [Fault::Unavailable, Fault::Refused, Fault::Full, Fault::FullForGood, Fault::AnswerLost, Fault::Gone];

    fn is_about(self, call: &Call<'_>) -> bool {
        match self {
            Fault::Unavailable | Fault::AnswerLost | Fault::Gone => true,
            Fault::Refused => call.method == Method::Delete,
            Fault::Full | Fault::FullForGood => {
                matches!(call.method, Method::Put | Method::Write | Method::Finish)
            }
        }
    }

    /// The fault at the `wanted`th of the calls that it is about, from 1; and how many of them there were.
    pub fn counted(self, wanted: u64) -> (Arc<AtomicU64>, FaultPlan) {
        let count = Arc::new(AtomicU64::new(0));
        let counter = count.clone();
        let lasts = matches!(self, Fault::Gone | Fault::FullForGood);
        let plan = FaultPlan::when(move |call| {
            if !self.is_about(call) {
                return false;
            }
            let number = counter.fetch_add(1, SeqCst) + 1;
            number == wanted || lasts && wanted != 0 && number > wanted
        });
        let plan = match self {
            Fault::Unavailable | Fault::Gone => plan,
            Fault::Refused => plan.with_kind(ErrorKind::AccessDenied),
            Fault::Full | Fault::FullForGood => plan.with_kind(ErrorKind::NoSpace),
            Fault::AnswerLost => plan.with_moment(Moment::After),
        };
        (count, plan)
    }
}
