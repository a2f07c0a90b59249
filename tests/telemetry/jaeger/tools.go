//go:build tools

// Jaeger, as a program that the tests start.
package tools

import _ "github.com/jaegertracing/jaeger/cmd/jaeger"
