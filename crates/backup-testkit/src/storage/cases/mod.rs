mod content;
mod creating;
mod deleting;
mod keys;
mod listing;
mod missing;
mod ranges;
mod secrets;
mod time;
mod visibility;

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
        Case { name: stringify!($name), needs: Need::$need, run: |subject| Box::pin($module::$name(subject)) }
    };
}

const CASES: &[Case] = &[
    case!(content::empty_object),
    case!(content::many_tiny_parts),
    case!(content::parts_of_all_lengths),
    case!(content::empty_parts),
    case!(content::three_big_parts),
    case!(content::concurrent_puts),
    case!(visibility::unfinished_is_invisible),
    case!(visibility::dropped_leaves_nothing),
    case!(visibility::aborted_leaves_nothing),
    case!(visibility::dropped_finish_is_all_or_nothing),
    case!(visibility::finished_is_listed, PromptListing),
    case!(creating::create_refuses_a_taken_key, CreateOnly),
    case!(creating::create_has_one_winner, CreateOnly),
    case!(creating::large_create_has_one_winner, CreateOnly),
    case!(creating::create_after_delete),
    case!(creating::replace_creates),
    case!(creating::replace_replaces),
    case!(ranges::ranges_inside),
    case!(ranges::ranges_past_the_end),
    case!(ranges::ranges_empty),
    case!(ranges::ranges_of_large_objects),
    case!(listing::listing_is_paged),
    case!(listing::listing_of_any_prefix),
    case!(listing::listing_in_order_of_bytes),
    case!(listing::listing_after),
    case!(listing::listing_of_nothing),
    case!(deleting::delete_removes),
    case!(deleting::delete_of_the_missing),
    case!(deleting::delete_of_many),
    case!(keys::odd_keys),
    case!(keys::long_keys),
    case!(missing::missing_is_not_found),
    case!(missing::folders_are_no_objects),
    case!(time::times_agree),
    case!(time::time_does_not_run_backwards),
    case!(secrets::secrets_stay_hidden, Canary),
];
