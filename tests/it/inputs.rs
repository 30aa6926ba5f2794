//! What comes from files and from the command line, taken for hostile: what names something follows an allow-list, what is
//! long or deep is refused, what nobody can see is named by its code point. Like all that cannot be used it is exit 2 with
//! its place, and nothing is contacted.

mod files;
mod grammars;
mod mutations;
mod names;
mod values;
