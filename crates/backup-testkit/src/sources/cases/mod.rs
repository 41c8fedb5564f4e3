mod fetching;
mod listing;
mod restoring;

use super::case::{Case, Need};

/// Every behaviour, in an order from simple to strange.
pub fn cases() -> &'static [Case] {
    CASES
}

macro_rules! case {
    ($module:ident::$name:ident) => {
        case!($module::$name, Nothing)
    };
    ($module:ident::$name:ident, $need:ident) => {
        Case { name: stringify!($name), needs: Need::$need, run: |subject, at| Box::pin($module::$name(subject, at)) }
    };
}

const CASES: &[Case] = &[
    case!(listing::something_is_listed),
    case!(listing::order_is_canonical),
    case!(listing::batches_are_bounded_and_numbered),
    case!(listing::entries_are_well_formed),
    case!(listing::listing_can_be_repeated),
    case!(listing::roots_hold_the_entries),
    case!(listing::end_is_told_again),
    case!(fetching::every_wanted_entry_is_answered_once),
    case!(fetching::only_wanted_entries_are_answered, Choice),
    case!(fetching::nothing_need_be_wanted, Choice),
    case!(fetching::sizes_are_those_of_the_content),
    case!(fetching::early_finish_is_no_backup),
    case!(fetching::drop_midway_ends_everything),
    case!(restoring::pull_after_push_is_the_identity, Target),
    case!(restoring::damaged_content_is_reported_and_left_out, Target),
    case!(restoring::selection_is_restored_alone, Target),
];
