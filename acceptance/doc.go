// Package acceptance holds the whole story as tests of the real program: it is
// built, started on free ports, measured, made slower hop by hop, diagnosed and
// stopped. TENHOP_ACCEPTANCE=short runs 100 checkouts and three hops that a
// seed chooses (TENHOP_SEED), full 1,000 checkouts and all eleven; without it
// the tests are skipped.
package acceptance
