;; Says that its list lies where no value can.
(func (export "saker:plugin/collector@0.1.0#open") (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.const 2048))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
(func (export "saker:plugin/collector@0.1.0#collect") (param i64 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.store8 (i32.const 2052) (i32.const 0)) ;; records
  (i32.store (i32.const 2056) (i32.const 8193)) ;; where it is
  (i32.store (i32.const 2060) (i32.const 1)) ;; how many there are
  (i32.const 2048))
