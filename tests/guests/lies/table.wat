;; Makes its table longer for as long as it is let.
(func (export "saker:plugin/collector@0.1.0#open") (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.const 2048))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
(table $t 1 funcref)
(func (export "saker:plugin/collector@0.1.0#collect") (param i64 i32) (result i32)
  (loop $more
    (drop (table.grow $t (ref.null func) (i32.const 1000)))
    (br $more))
  unreachable)
