use super::*;

const ID: &str = "0c62b582-cc47-4509-96ce-a6a37c913d9d";
const OTHER: &str = "0c62b582-cc99-4509-96ce-a6a37c913d9d";

fn shown(rows: &[[&str; 3]], width: Option<usize>, overflow: Overflow) -> Vec<String> {
    let rows = rows.iter().map(|row| row.map(str::to_owned));
    let table = table(["ID", "N", "TITLE"], rows, width, overflow);
    table.lines().map(str::to_owned).collect()
}

#[test]
fn what_fits_is_aligned_and_nothing_else() {
    let rows = [["a", "1", "one"], ["bcd", "22", "two and more"]];
    let expected = ["ID   N   TITLE", "a    1   one", "bcd  22  two and more"];
    assert_eq!(shown(&rows, None, Overflow::Cut), expected);
    assert_eq!(shown(&rows, Some(21), Overflow::Cut), expected);
}

#[test]
fn ids_get_shorter_first_and_stay_apart() {
    let rows = [[ID, "1", "short"], [ID, "2", "short"]];
    assert_eq!(
        shown(&rows, Some(40), Overflow::Cut)[1],
        "0c62b582  1  short"
    );
    let rows = [[ID, "1", "short"], [OTHER, "2", "short"]];
    assert_eq!(
        shown(&rows, Some(40), Overflow::Cut)[2],
        "0c62b582-cc9  2  short"
    );
}

#[test]
fn a_list_is_cut_and_a_text_goes_on_below() {
    let rows = [["a", "1", "a walk through the old town"]];
    assert_eq!(
        shown(&rows, Some(24), Overflow::Cut)[1],
        "a   1  a walk through t…"
    );
    assert_eq!(
        shown(&rows, Some(24), Overflow::Wrap)[1..],
        ["a   1  a walk through", "       the old town"]
    );
    let wide = [["a", "1", "日本語日本語日本語日本語"]];
    assert_eq!(
        shown(&wide, Some(24), Overflow::Cut)[1],
        "a   1  日本語日本語日本…"
    );
}

#[test]
fn where_columns_have_no_room_each_row_is_a_block() {
    let rows = [["abcdefghij", "1", "a walk through the old town"]; 2];
    assert_eq!(
        shown(&rows, Some(20), Overflow::Cut),
        [
            "ID     abcdefghij",
            "N      1",
            "TITLE  a walk",
            "       through the",
            "       old town",
            "",
            "ID     abcdefghij",
            "N      1",
            "TITLE  a walk",
            "       through the",
            "       old town",
        ]
    );
}

#[test]
fn colours_take_no_room_and_surround_each_line() {
    let rows = [["a", "1", "\u{1b}[31ma walk through the town\u{1b}[0m"]];
    assert_eq!(
        shown(&rows, Some(24), Overflow::Wrap)[1..],
        [
            "a   1  \u{1b}[31ma walk through\u{1b}[0m",
            "       \u{1b}[31mthe town\u{1b}[0m"
        ]
    );
}

#[test]
fn a_long_word_stays_whole_and_an_indent_is_kept() {
    let text = "error: one two three\n  cause: four five six seven";
    assert_eq!(
        wrapped(text, 16),
        "error: one two\nthree\n  cause: four\n  five six seven"
    );
    let id = format!("request id: {ID}");
    assert_eq!(wrapped(&id, 16), format!("request id:\n{ID}"));
}
