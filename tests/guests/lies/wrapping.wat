;; Says that its list is so long that its end is before its beginning.
(func (export "saker:plugin/collector@0.1.0#open") (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.const 2048))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
(func (export "saker:plugin/collector@0.1.0#collect") (param i64 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.store8 (i32.const 2052) (i32.const 0)) ;; records
  (i32.store (i32.const 2056) (i32.const 65536)) ;; where it is
  (i32.store (i32.const 2060) (i32.const 0x04000001)) ;; how many there are
  (i32.const 2048))
