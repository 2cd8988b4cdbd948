package collectors

import (
	"strings"
)

// Agents wrap the lines that a container writes: Fluent Bit on EKS, FireLens on
// ECS, and Docker's own files put the line into "log" and say around it where it
// is from. The line inside is what a program said, so that is what is read.

// attributes of the place that a line is from, however it was said.
const (
	attrContainer = "container"
	attrPod       = "pod"
	attrNamespace = "kubernetes_namespace"
	attrTask      = "task"
	attrCluster   = "cluster"
)

// envelopeNames say what of an envelope tells the place.
var envelopeNames = map[string]string{
	"kubernetes.container_name": attrContainer, "kubernetes.pod_name": attrPod, "kubernetes.namespace_name": attrNamespace,
	"container_name": attrContainer, "ecs_task_arn": attrTask, "ecs_cluster": attrCluster,
}

// maxEnvelopes is how many envelopes may lie in each other: an agent that
// forwards to another wraps twice.
const maxEnvelopes = 3

// unwrap reads the line in an envelope, and reports whether there was one. q is
// room for a quick reading; nil asks for a careful one.
func (s *lineScan) unwrap(q *scanner) bool {
	if !s.hasInner || s.depth >= maxEnvelopes || !s.isEnvelope() {
		return false
	}
	outer := *s
	s.attributes = nil // which outer keeps
	text := []byte(withoutCRI(outer.inner))
	s.reset()
	s.depth = outer.depth + 1
	ok := false
	if q != nil {
		_, ok = s.quick(text, q)
	}
	if !ok {
		s.careful(text)
	}
	s.depth = outer.depth
	s.placed(&outer)
	return true
}

// isEnvelope reports whether the fields around a line are an agent's.
func (s *lineScan) isEnvelope() bool {
	switch s.attributes.Get("stream") {
	case "stdout", "stderr":
		return true
	}
	if source := s.attributes.Get("source"); s.attributes.Get("container_id") != "" && (source == "stdout" || source == "stderr") {
		return true
	}
	return s.attribute("kubernetes.pod_name", "ecs_task_arn", "ecs_task_definition") != ""
}

// placed adds to a line what its envelope says, where the line itself does not.
func (s *lineScan) placed(outer *lineScan) {
	for name, value := range outer.attributes.All() {
		if s.attributes.Has(name) || strings.HasPrefix(name, "log_processed.") {
			continue // which is the line again
		}
		s.attributes.Set(name, value)
		if place := envelopeNames[name]; place != "" && s.attributes.Get(place) == "" {
			s.set(place, value)
		}
	}
	s.when = firstOf(s.when, outer.when)
	s.level = firstOf(s.level, outer.level)
	s.service = firstOf(s.service, outer.service,
		outer.attribute("kubernetes.labels.app.kubernetes.io/name", "kubernetes.labels.app", "kubernetes.container_name", "container_name"))
	if s.keys.Trace == "" {
		s.keys.Trace, s.keys.Span = outer.keys.Trace, outer.keys.Span
	}
	if s.keys.Request == "" {
		s.keys.Request, s.keys.Scope = outer.keys.Request, outer.keys.Scope
	}
	s.keys.Correlation = firstOf(s.keys.Correlation, outer.keys.Correlation)
	if len(s.keys.Messages) == 0 {
		s.keys.Messages = outer.keys.Messages
	}
}

// withoutCRI is a line without what containerd writes before it: the time, the
// stream, and whether it is whole.
func withoutCRI(line string) string {
	const parts = 4
	words := strings.SplitN(line, " ", parts)
	if len(words) == parts && (words[1] == "stdout" || words[1] == "stderr") && (words[2] == "F" || words[2] == "P") {
		return words[parts-1]
	}
	return line
}

// streamPlace says of a line where its stream says that it is from: the awslogs
// driver of ECS names streams "prefix/container/task", Fluent Bit on EKS after the
// file that it read.
func (s *lineScan) streamPlace(stream string) {
	if _, file, ok := strings.Cut(stream, ".var.log.containers."); ok {
		const parts = 3
		words := strings.SplitN(strings.TrimSuffix(file, ".log"), "_", parts)
		if len(words) == parts {
			container, _, _ := cutLast(words[2], "-")
			s.place(attrPod, words[0])
			s.place(attrNamespace, words[1])
			s.place(attrContainer, container)
		}
		return
	}
	before, task, ok := cutLast(stream, "/")
	_, container, named := cutLast(before, "/")
	if ok && named && isTaskID(task) {
		s.place(attrContainer, container)
		s.place(attrTask, task)
	}
}

func (s *lineScan) place(name, value string) {
	if s.attributes.Get(name) == "" {
		s.set(name, value)
	}
}

// isTaskID reports whether a text is the id of a task: 32 hex digits, or a UUID
// of before.
func isTaskID(s string) bool {
	const hexLength, uuidLength = 32, 36
	if len(s) == uuidLength {
		s = strings.ReplaceAll(s, "-", "")
	}
	return len(s) == hexLength && strings.Trim(s, "0123456789abcdef") == ""
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
