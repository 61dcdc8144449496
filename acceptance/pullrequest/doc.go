// Package pullrequest runs the check of docs/ci.md on builds of a real service: a change
// that makes a hop slower fails it, refactorings pass it.
package pullrequest
