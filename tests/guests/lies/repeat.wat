;; Says the same sixty kilobytes of text a hundred thousand times over, so that one page of its memory would become
;; six gigabytes of the agent's.
(func (export "saker:plugin/collector@0.1.0#open") (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.const 2048))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
(func (export "saker:plugin/collector@0.1.0#collect") (param i64 i32) (result i32)
  (local $at i32)
  (drop (memory.grow (i32.const 120)))
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.store8 (i32.const 2052) (i32.const 0)) ;; records
  (i32.store (i32.const 2056) (i32.const 131072))
  (i32.store (i32.const 2060) (i32.const 100000))
  (memory.fill (i32.const 4096) (i32.const 97) (i32.const 61440))
  (local.set $at (i32.const 131072))
  (loop $more
    (i32.store offset=12 (local.get $at) (i32.const 4096)) ;; each value's name
    (i32.store offset=16 (local.get $at) (i32.const 61440))
    (local.set $at (i32.add (local.get $at) (i32.const 64)))
    (br_if $more (i32.lt_u (local.get $at) (i32.const 6531072))))
  (i32.const 2048))
