mod address;
mod closing;
mod ending;
mod file;
mod output;
mod words;

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
        Case { name: stringify!($name), needs: Need::$need, run: |place| Box::pin($module::$name(place)) }
    };
}

const CASES: &[Case] = &[
    case!(ending::exit_status_is_told),
    case!(ending::signals_are_no_exit_codes),
    case!(ending::status_can_be_asked_twice),
    case!(ending::missing_program_is_not_found),
    case!(words::words_arrive_as_they_are),
    case!(words::program_names_are_no_shell_words),
    case!(words::zero_bytes_are_refused),
    case!(words::environment_arrives_as_it_is),
    case!(words::odd_environment_names_are_refused),
    case!(words::directory_is_where_it_runs),
    case!(output::input_is_empty_unless_asked_for),
    case!(output::input_and_output_flow_together),
    case!(output::large_output_waits_for_a_slow_reader),
    case!(output::output_nobody_takes_is_thrown_away),
    case!(output::error_output_never_blocks),
    case!(output::error_output_is_cut_to_whole_lines),
    case!(ending::wait_does_not_wait_for_grandchildren),
    case!(ending::kill_ends_grandchildren),
    case!(ending::drop_ends_grandchildren),
    case!(file::files_go_both_ways),
    case!(file::odd_file_names),
    case!(file::push_replaces),
    case!(file::torn_push_changes_nothing),
    case!(file::dropped_push_changes_nothing),
    case!(file::racing_pushes_leave_one_whole_file),
    case!(file::missing_folder_is_not_found),
    case!(file::missing_file_is_not_found),
    case!(file::folders_are_no_files),
    case!(address::dial_reaches_a_port, WayBack),
    case!(address::dial_reaches_a_socket, ThisHost),
    case!(address::dial_of_nobody_is_unavailable, WayBack),
    case!(address::forward_serves_many_clients, WayBack),
    case!(address::forward_is_private_and_ends_with_its_owner, WayBack),
    case!(address::forward_to_nobody_ends_the_clients_stream, WayBack),
    case!(closing::clean_ends_what_still_runs),
    case!(closing::clean_can_be_called_again),
    case!(closing::closed_sessions_refuse),
    case!(closing::reach_is_told),
];
