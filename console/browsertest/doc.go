// Package browsertest drives the console in headless Chromium against the real
// program: every page with real traffic, from an injected spike to its trace,
// and a blind drill to its verdict. It is a module of its own, so that the
// browser driver stays out of the application's requirements.
//
// It needs Chromium; without one its tests are skipped. With TENHOP_IMAGES set
// to a folder it writes the screenshots of docs/images there.
package browsertest
