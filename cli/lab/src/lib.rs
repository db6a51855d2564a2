pub mod definitions; mod template;
