// Package sigma runs Sigma rules (sigmahq.io, specification 2.1) on CloudTrail
// events as they were recorded. A rule becomes a document.Condition, which a
// document.Set turns into closures behind an index on event source and name.
//
// # What a rule sees
//
// The event is CloudTrail's own JSON. A field is a name with dots
// (userIdentity.sessionContext.sessionIssuer.type); where an array lies on the
// way, or at its end, one element that fits is enough. Numbers and truth values
// are compared by their text, numbers also by what they are worth. A field that
// leads to an object is the object's JSON, once as it is and once with the
// strings in it unescaped, so that a policy document that is a string in the
// request can be searched as it was written. Null means that there is no such
// field, or that it is null. Keywords are looked for in all values.
//
// Texts are compared without regard to case, but for regular expressions and
// what is cased. Regular expressions are Go's (RE2): without look-around and
// back-references, which are errors, and in linear time.
//
// # What is not run
//
// Rules on other logs than CloudTrail's are read and checked, and say in
// Unjudged why they are not run. Aggregations in conditions ("| count()") are
// Sigma 1 and errors: correlations have replaced them. The collections of Sigma 1
// (action: global) are errors, too.
package sigma
