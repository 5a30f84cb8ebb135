//! Any text as an expression: no panic, places within the text, and values of the type that was
//! checked for, in bounded time.

#![no_main]

use expression::{Environment, Expression, Function, Type, Value};
use libfuzzer_sys::fuzz_target;

const FUNCTIONS: [Function; 5] = [
    function("client_ip", false, Type::Text),
    function("name", false, Type::Text),
    function("size", false, Type::Integer),
    function("do", false, Type::Boolean),
    function("metadata", true, Type::Text),
];

const fn function(name: &'static str, takes_text: bool, gives: Type) -> Function {
    Function { name, takes_text, gives }
}

struct Query;

impl Environment for Query {
    fn call(&self, function: usize, argument: &str) -> Value<'_> {
        match function {
            0 => Value::Text("10.1.2.3".into()),
            1 => Value::Text("www.example.org.".into()),
            2 => Value::Integer(60),
            3 => Value::Boolean(true),
            _ => Value::Text(argument.to_owned().into()),
        }
    }
}

fuzz_target!(|text: &str| {
    match Expression::parse(text, &FUNCTIONS) {
        Err(error) => assert!(text.get(error.offset..error.offset + error.length).is_some()),
        Ok(expression) => {
            let Ok(value) = expression.evaluate(&Query) else { return };
            let gives = match value {
                Value::Boolean(_) => Type::Boolean,
                Value::Integer(_) => Type::Integer,
                Value::Float(_) => Type::Float,
                Value::Text(_) => Type::Text,
            };
            assert_eq!(gives, expression.gives());
        }
    }
});
