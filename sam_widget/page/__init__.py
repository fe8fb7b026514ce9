"""A page that answers without a kernel: one HTML file with a photo, its session, and a decoder.

`page` writes it; `parts` are what answers in it: `tensors` of `tiny`, or `networks` of other models. The
frontend is built from `js/src/page.ts`.
"""
