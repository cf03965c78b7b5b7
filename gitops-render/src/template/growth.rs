//! How much room Go makes when a slice grows.

/// Sizes of small objects.
const CLASSES: [usize; 67] = [
    8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352,
    384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048,
    2304, 2688, 3072, 3200, 3456, 4096, 4864, 5120, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728,
    10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672,
];
const PAGE: usize = 8192;

/// From this capacity on a slice grows by less than twice.
const THRESHOLD: usize = 256;

/// The capacity of a slice with room for `capacity` items of `size` bytes, to which items were
/// appended one by one until there were `length`.
pub(super) fn capacity(mut capacity: usize, length: usize, size: usize, pointers: bool) -> usize {
    while capacity < length {
        let wanted = match capacity {
            0 => 1,
            1..THRESHOLD => 2 * capacity,
            _ => capacity + (capacity + 3 * THRESHOLD) / 4,
        };
        capacity = rounded(wanted * size, pointers) / size;
    }
    capacity
}

fn rounded(bytes: usize, pointers: bool) -> usize {
    // Larger objects with pointers have a header.
    let header = if pointers && bytes > 512 { 8 } else { 0 };
    let wanted = bytes + header;
    match CLASSES.iter().find(|class| **class >= wanted) {
        Some(class) => class - header,
        None if wanted <= 32_768 => 32_768 - header,
        None => bytes.next_multiple_of(PAGE),
    }
}

#[cfg(test)]
mod tests {
    use super::capacity;

    #[test]
    fn room_doubles_within_sizes() {
        assert_eq!(capacity(0, 3, 16, true), 4);
        assert_eq!(capacity(10, 11, 16, true), 20);
        assert_eq!(capacity(5, 6, 16, true), 10);
        assert_eq!(capacity(0, 5, 8, false), 8);
        assert_eq!(capacity(4, 3, 16, true), 4);
    }
}
