use super::layout::{PAGE, PAGE_ITEMS};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A page of an image.
pub(crate) type Page = [u8; PAGE];

/// A page of zeros, to be filled.
pub(crate) const BLANK: Page = [0; PAGE];

fn checksum(items: &[u8], number: u32) -> [u8; 8] {
    xxh3_64_with_seed(items, u64::from(number)).to_le_bytes()
}

/// Appends the `number`th page of an image, with these items.
pub(crate) fn push_page(image: &mut Vec<u8>, items: &[u8], number: u32) {
    let start = image.len();
    image.extend_from_slice(items.get(..PAGE_ITEMS).unwrap_or(items));
    image.resize(start + PAGE_ITEMS, 0);
    let sum = checksum(image.get(start..).unwrap_or(&[]), number);
    image.extend_from_slice(&sum);
}

/// Whether this is the `number`th page of an image as it was written. A page that never was written, all zeros, is not.
pub(crate) fn is_intact(page: &Page, number: u32) -> bool {
    page.split_last_chunk::<8>().is_some_and(|(items, sum)| *sum == checksum(items, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_holes_and_misplaced_pages_show() {
        for number in [0, 1, 70_000] {
            assert!(!is_intact(&BLANK, number));
            let mut image = Vec::new();
            push_page(&mut image, b"items", number);
            let mut page: Page = image.try_into().unwrap();
            assert!(is_intact(&page, number));
            assert!(!is_intact(&page, number + 1));
            page[2000] ^= 1;
            assert!(!is_intact(&page, number));
        }
    }
}
