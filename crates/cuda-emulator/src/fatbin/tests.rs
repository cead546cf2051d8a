//! The samples are nvcc 13.0's own files of one kernel, `twice`: `-gencode
//! arch=compute_80,code=[sm_80,compute_80] -gencode arch=compute_90a,code=compute_90a`, plain with
//! `--no-compress`, and for compute_80 alone with `--compress-mode=speed`.

use super::*;

const PLAIN: &[u8] = include_bytes!("samples/plain.fatbin");
const ZSTD: &[u8] = include_bytes!("samples/zstd.fatbin");
const LZ4: &[u8] = include_bytes!("samples/lz4.fatbin");

fn changed(sample: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut sample = sample.to_vec();
    sample[offset..offset + bytes.len()].copy_from_slice(bytes);
    sample
}

#[test]
fn images_of_plain_and_compressed_files() {
    for sample in [PLAIN, ZSTD] {
        let images = ptx_images(sample).unwrap();
        let heads: Vec<_> = images.iter().map(|i| (i.kind, i.capability, i.reach)).collect();
        assert_eq!(
            heads,
            [
                (Kind::Elf, (8, 0), Reach::Upward),
                (Kind::Ptx, (8, 0), Reach::Upward),
                (Kind::Ptx, (9, 0), Reach::Only),
            ]
        );
        assert!(images[0].bytes.is_empty());
        for (image, target) in images[1..].iter().zip(["sm_80", "sm_90a"]) {
            let module = crate::ptx::parse(std::str::from_utf8(&image.bytes).unwrap()).unwrap();
            assert_eq!(module.target, target);
            assert_eq!(module.functions[0].name, "twice");
        }
    }
    assert_eq!(ptx_images(PLAIN).unwrap(), ptx_images(ZSTD).unwrap());
}

#[test]
fn size_from_the_header_alone() {
    for sample in [PLAIN, ZSTD, LZ4] {
        assert_eq!(total_size(&sample[..HEADER]), Ok(sample.len()));
    }
    assert!(total_size(&PLAIN[..HEADER - 1]).unwrap_err().contains("ends at byte 15"));
    assert!(total_size(b"\x7FELF............").unwrap_err().contains("not a fatbin"));
    assert!(total_size(&changed(PLAIN, 4, &[2])).unwrap_err().contains("version 2"));
    assert!(total_size(&changed(PLAIN, 8, &[0xFF; 8])).is_err());
}

#[test]
fn text_and_cubin_images() {
    let text = b"// made by hand\n.version 8.0\n  .target sm_90a, debug\n\0rest";
    let images = ptx_images(text).unwrap();
    assert_eq!(images.len(), 1);
    assert_eq!((images[0].capability, images[0].reach), ((9, 0), Reach::Only));
    assert_eq!(images[0].bytes, text[..text.len() - 5]);
    let newer = ptx_images(b".version 9.0\n.target sm_121").unwrap();
    assert_eq!((newer[0].capability, newer[0].reach), ((12, 1), Reach::Upward));

    assert!(ptx_images(b"\x7FELF\x02\x01").unwrap_err().contains("machine code"));
    assert!(ptx_images(b"").unwrap_err().contains("neither"));
    assert!(ptx_images(b".version 9.0\n").unwrap_err().contains(".target"));
}

#[test]
fn refusals() {
    assert!(ptx_images(LZ4).unwrap_err().contains("--no-compress"));
    assert!(ptx_images(&PLAIN[..PLAIN.len() - 1]).unwrap_err().contains("cut off"));

    let ptx = HEADER + 64 + 3112;
    assert_eq!(&PLAIN[ptx..ptx + 4], [1, 0, 1, 1]);
    let cases: [(usize, &[u8], &str); 5] = [
        (4, &[63, 0, 0, 0], "does not fit"),
        (8, &[0xFF; 8], "does not fit"),
        (8, &[0x89, 1], "does not fit"),
        (16, &[9], "not known here"),
        (56, &[9], "not known here"),
    ];
    for (offset, bytes, why) in cases {
        let refusal = ptx_images(&changed(PLAIN, ptx + offset, bytes)).unwrap_err();
        assert!(refusal.contains(why), "{offset}: {refusal}");
    }
    let cases: [(usize, &[u8], &str); 4] = [
        (16, &[0xFF, 0xFF], "longer than its room"),
        (56, &[0x85], "instead of 389"),
        (56, &[0x87], "instead of 391"),
        (80, &[0], "not zstd"),
    ];
    for (offset, bytes, why) in cases {
        let refusal = ptx_images(&changed(ZSTD, ptx + offset, bytes)).unwrap_err();
        assert!(refusal.contains(why) && refusal.contains("sm_80"), "{offset}: {refusal}");
    }
}

#[test]
fn kinds_that_are_not_run_are_listed() {
    let other = changed(PLAIN, HEADER, &[8, 0]);
    assert_eq!(ptx_images(&other).unwrap()[0].kind, Kind::Other(8));
}
