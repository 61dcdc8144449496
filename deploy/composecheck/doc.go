// Package composecheck holds docker-compose.yml to what the README and the
// mounted configurations say, with compose's own loader. It is a module of its
// own: compose-go brings dependencies that nothing else needs.
package composecheck
